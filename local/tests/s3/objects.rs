use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;
use shared::protocol::usage::Requests;

use super::{body, code, put, start};

#[tokio::test]
async fn reads_respect_ranges_and_conditions() {
    let (server, client) = start().await;
    let etag = put(&client, "a", "0123456789").await;
    assert_eq!(
        etag, "\"781e5e245d69b566979b86e28d23f2c7\"",
        "the ETag is the MD5 of the bytes"
    );
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

    let totals = server.served.totals();
    let requests = Requests {
        put: 1,
        get: 6,
        head: 1,
        ..Requests::default()
    };
    assert_eq!(
        (totals.requests, totals.bytes_written, totals.bytes_read),
        (requests, 10, 8)
    );
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
async fn copies_keep_or_replace_headers_and_metadata() {
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
    let source = "photos/%C3%A9t%C3%A9%20%2B%25";
    let copy = |target: &str| client.copy_object().bucket("photos").key(target).copy_source(source);
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
