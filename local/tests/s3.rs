//! The embedded S3, through the real SDK over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, EncodingType, MetadataDirective, ObjectIdentifier};
use bytes::Bytes;
use local::s3::{Server, sdk};
use shared::key;

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
async fn listings_page_through_every_key_in_order() {
    let (_server, client) = start().await;
    let mut keys = [
        "a b+c",
        "%2B",
        "été/📷",
        "x//y",
        "/z",
        "../up",
        "bell\u{7}",
        "line\nbreak",
        "p/1",
        "p/2",
        "p/q/3",
    ];
    for key in keys {
        put(&client, key, "x").await;
    }
    keys.sort_unstable();
    for page in [1, 2, 3, 1000] {
        let request = client
            .list_objects_v2()
            .bucket("photos")
            .encoding_type(EncodingType::Url)
            .max_keys(page);
        let mut pages = request.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            listed.extend(
                page.unwrap()
                    .contents()
                    .iter()
                    .map(|object| key::decode(object.key().unwrap()).unwrap()),
            );
        }
        assert_eq!(listed, keys, "pages of {page}");
    }
    let after = client
        .list_objects_v2()
        .bucket("photos")
        .start_after("p/1")
        .prefix("p/")
        .send()
        .await
        .unwrap();
    let after: Vec<&str> = after.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(after, ["p/2", "p/q/3"]);
}

#[tokio::test]
async fn a_delimiter_groups_keys_across_pages() {
    let (_server, client) = start().await;
    for key in ["a/1", "a/2", "b/1", "c", "d/1", "d/2"] {
        put(&client, key, "x").await;
    }
    for page in [1, 2, 10] {
        let request = client.list_objects_v2().bucket("photos").delimiter("/").max_keys(page);
        let mut pages = request.into_paginator().send();
        let (mut groups, mut keys) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            groups.extend(
                page.common_prefixes()
                    .iter()
                    .filter_map(|group| group.prefix().map(str::to_owned)),
            );
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| object.key().map(str::to_owned)),
            );
        }
        assert_eq!(
            (groups, keys),
            (vec!["a/".into(), "b/".into(), "d/".into()], vec!["c".to_owned()]),
            "pages of {page}"
        );
    }
}

#[tokio::test]
async fn reads_keep_to_ranges_and_conditions() {
    let (_server, client) = start().await;
    let etag = put(&client, "a", "0123456789").await;
    assert_eq!(etag, "\"781e5e245d69b566979b86e28d23f2c7\"", "the MD5 of the bytes");
    for (range, part, total) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
    ] {
        let output = client
            .get_object()
            .bucket("photos")
            .key("a")
            .range(range)
            .if_match(&etag)
            .send()
            .await
            .unwrap();
        assert_eq!(output.content_range(), Some(total));
        assert_eq!(output.body.collect().await.unwrap().into_bytes(), part);
    }
    let get = || client.get_object().bucket("photos");
    assert_eq!(code(get().key("a").range("bytes=10-").send().await), "InvalidRange");
    assert_eq!(
        code(get().key("a").if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
    assert_eq!(code(get().key("b").send().await), "NoSuchKey");
    let head = client.head_object().bucket("photos").key("a").send().await.unwrap();
    assert_eq!((head.content_length(), head.e_tag()), (Some(10), Some(etag.as_str())));
}

#[tokio::test]
async fn conditional_writes_have_one_winner() {
    let (_server, client) = start().await;
    let write = |body: &'static str| {
        client
            .put_object()
            .bucket("photos")
            .key("a")
            .body(ByteStream::from_static(body.as_bytes()))
    };
    let (first, second) = tokio::join!(
        write("1").if_none_match("*").send(),
        write("2").if_none_match("*").send()
    );
    let mut codes = [code(first), code(second)];
    codes.sort_unstable();
    assert_eq!(codes, ["PreconditionFailed", "none"]);

    let etag = put(&client, "a", "3").await;
    assert_eq!(
        code(write("4").if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
    assert_eq!(code(write("4").if_match(&etag).send().await), "none");
    assert_eq!(body(&client, "a").await, "4");
}

#[tokio::test]
async fn copies_keep_or_replace_what_comes_with_the_bytes() {
    let (_server, client) = start().await;
    let request = client
        .put_object()
        .bucket("photos")
        .key("été +%")
        .content_type("image/jpeg")
        .cache_control("no-store");
    let etag = request
        .metadata("album", "summer")
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();
    let etag = etag.e_tag().unwrap();
    let source = key::copy_source("photos", "été +%", None);
    let copy = |target: &str| client.copy_object().bucket("photos").key(target).copy_source(&source);
    copy("kept").copy_source_if_match(etag).send().await.unwrap();
    copy("replaced")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("new", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        code(copy("never").copy_source_if_match("\"other\"").send().await),
        "PreconditionFailed"
    );

    let kept = client.head_object().bucket("photos").key("kept").send().await.unwrap();
    assert_eq!(
        (kept.content_type(), kept.cache_control()),
        (Some("image/jpeg"), Some("no-store"))
    );
    assert_eq!(
        kept.metadata().unwrap(),
        &HashMap::from([("album".to_owned(), "summer".to_owned())])
    );
    let replaced = client
        .head_object()
        .bucket("photos")
        .key("replaced")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (replaced.cache_control(), replaced.metadata().unwrap().len()),
        (None, 1)
    );
}

#[tokio::test]
async fn buckets_and_objects_come_and_go() {
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
async fn a_wrong_signature_is_refused() {
    let (server, _client) = start().await;
    let wrong = sdk(&server.endpoint()).await.into_builder();
    let credentials = aws_sdk_s3::config::Credentials::new("local", "wrong", None, None, "test");
    let wrong = wrong
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials))
        .build();
    let result = Client::new(&wrong).list_buckets().send().await;
    assert_eq!(code(result), "SignatureDoesNotMatch");
}
