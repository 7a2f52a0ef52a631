//! Tests the local S3 server with the real SDK, over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod annotations;
mod bodies;
mod credentials;
mod faults;
mod listings;
mod multipart;
mod objects;
mod versions;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use local::s3::{Server, sdk};

async fn start() -> (Server, Client) {
    let server = Server::start(0).await.unwrap();
    let client = Client::new(&server.sdk().await);
    client.create_bucket().bucket("photos").send().await.unwrap();
    (server, client)
}

async fn put(client: &Client, key: &str, body: &'static str) -> String {
    let request = client.put_object().bucket("photos").key(key);
    let output = request
        .body(ByteStream::from_static(body.as_bytes()))
        .send()
        .await
        .unwrap();
    output.e_tag().unwrap().to_owned()
}

async fn body(client: &Client, key: &str) -> Bytes {
    let output = client.get_object().bucket("photos").key(key).send().await.unwrap();
    output.body.collect().await.unwrap().into_bytes()
}

fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "none".to_owned(),
        Err(error) => error.code().unwrap_or("unknown").to_owned(),
    }
}

#[tokio::test]
async fn buckets_are_listed_and_objects_are_deleted() {
    let (_server, client) = start().await;
    let buckets = client.list_buckets().send().await.unwrap();
    assert_eq!(
        buckets
            .buckets()
            .iter()
            .filter_map(|bucket| bucket.name())
            .collect::<Vec<_>>(),
        ["photos"]
    );
    assert!(client.head_bucket().bucket("photos").send().await.is_ok());
    assert_eq!(
        code(client.list_objects_v2().bucket("nothing").send().await),
        "NoSuchBucket"
    );
    for key in ["a", "b", "c"] {
        put(&client, key, "x").await;
    }
    client.delete_object().bucket("photos").key("a").send().await.unwrap();
    let keys = ["b", "never there"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(keys.into())).build().unwrap();
    let deleted = client
        .delete_objects()
        .bucket("photos")
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.deleted().len(), 2);
    let left = client.list_objects_v2().bucket("photos").send().await.unwrap();
    assert_eq!(left.key_count(), Some(1));
}

#[tokio::test]
async fn a_wrong_signature_is_rejected() {
    let (server, _client) = start().await;
    let wrong = sdk(&server.endpoint()).await.into_builder();
    let credentials = aws_sdk_s3::config::Credentials::new("local", "wrong", None, None, "test");
    let wrong = wrong
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials))
        .build();
    let result = Client::new(&wrong).list_buckets().send().await;
    assert_eq!(code(result), "SignatureDoesNotMatch");
}
