//! Requests with other credentials than those of the server.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use local::iam::Roles;
use local::s3::Server;
use serde_json::json;

use super::{body, code, put};

async fn client(server: &Server, key: &str, secret: &str) -> Client {
    let credentials = Credentials::new(key, secret, Some("a session".to_owned()), None, "test");
    let config = Builder::from(&server.sdk().await).credentials_provider(credentials);
    Client::from_conf(config.build())
}

async fn start(any_credentials: bool) -> Server {
    Server::start_after(0, async |responder| {
        responder.any_credentials.store(any_credentials, Relaxed);
        responder.store.create_bucket("photos");
        Ok(())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn credentials_are_refused_unless_any_are_taken() {
    for (any, expected) in [
        (true, ["none"; 2]),
        (false, ["InvalidAccessKeyId", "SignatureDoesNotMatch"]),
    ] {
        let server = start(any).await;
        for ((key, secret), expected) in [("AKIAOTHER", "x"), ("local", "wrong")].into_iter().zip(expected) {
            let client = client(&server, key, secret).await;
            let list = client.list_objects_v2().bucket("photos").send().await;
            assert_eq!(code(list), expected, "{any} {key}");
        }
    }
}

#[tokio::test]
async fn every_operation_works_with_any_credentials() {
    let server = start(true).await;
    let client = client(&server, "AKIAOTHER", "unknown/secret+").await;
    let etag = put(&client, "a b/é+.jpg", "a photo").await;
    assert_eq!(body(&client, "a b/é+.jpg").await, "a photo");
    let unsigned = client.put_object().bucket("photos").key("chunked.jpg");
    let unsigned = unsigned.body(ByteStream::from(vec![7; 200_000])).customize();
    unsigned.disable_payload_signing().send().await.unwrap();
    assert_eq!(body(&client, "chunked.jpg").await, vec![7; 200_000]);
    let copy = client
        .copy_object()
        .bucket("photos")
        .key("copy.jpg")
        .copy_source("photos/chunked.jpg");
    assert_eq!(code(copy.send().await), "none");
    let annotate = client
        .put_object_annotation()
        .bucket("photos")
        .key("copy.jpg")
        .annotation_name("exif");
    let annotate = annotate.annotation_payload(ByteStream::from_static(b"{}"));
    assert_eq!(code(annotate.send().await), "none");
    let wrong = client
        .put_object()
        .bucket("photos")
        .key("a b/é+.jpg")
        .if_match("\"other\"");
    assert_eq!(
        code(wrong.body(ByteStream::from_static(b"x")).send().await),
        "PreconditionFailed"
    );

    let minute = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let presigned = client
        .get_object()
        .bucket("photos")
        .key("a b/é+.jpg")
        .presigned(minute)
        .await
        .unwrap();
    let connection = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(connection);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let uri: hyper::Uri = presigned.uri().parse().unwrap();
    let request = hyper::Request::get(uri.path_and_query().unwrap().as_str()).header("host", "127.0.0.1");
    let response = sender
        .send_request(request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["etag"].to_str().unwrap()),
        (200, &*etag)
    );
}

#[tokio::test]
async fn the_permissions_of_a_role_hold_without_its_secret() {
    let server = start(true).await;
    put(&client(&server, "owner", "x").await, "in/a.jpg", "a photo").await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/in/*"}]});
    let stack = json!({"Resources": {"Reader": {"Type": "AWS::IAM::Role", "Properties": {
        "Policies": [{"PolicyName": "reader", "PolicyDocument": policy}]}}}});
    *server.roles.write() = Roles::of_stack(&stack).unwrap();
    let reader = client(&server, "Reader", "whatever").await;
    assert_eq!(body(&reader, "in/a.jpg").await, "a photo");
    let write = reader.put_object().bucket("photos").key("in/a.jpg");
    assert_eq!(
        code(write.body(ByteStream::from_static(b"x")).send().await),
        "AccessDenied"
    );
}
