//! Images with headers that the SDK cannot read, or that no request can repeat.

use std::collections::HashMap;

use local::s3::Headers;
use serde_json::json;

use crate::cloud::{Cloud, DESTINATION, RECORDS, photo};

/// Headers that S3 allows and that no request can repeat.
fn odd_headers() -> Vec<(&'static str, Headers)> {
    let ordinary = Headers {
        cache_control: Some("no-cache".to_owned()),
        user_metadata: HashMap::from([("owner".to_owned(), "me".to_owned())]),
        ..Headers::default()
    };
    let with = |raw: Vec<(String, Vec<u8>)>| Headers {
        raw,
        ..ordinary.clone()
    };
    let latin1 = b"attachment; filename=\"\xE9t\xE9.jpg\"".to_vec();
    vec![
        (
            "Latin-1",
            with(vec![("content-disposition".to_owned(), latin1.clone())]),
        ),
        ("Latin-1 metadata", with(vec![("x-amz-meta-title".to_owned(), latin1)])),
        ("missing", with(vec![("x-amz-missing-meta".to_owned(), b"1".to_vec())])),
    ]
}

#[tokio::test]
async fn headers_that_cannot_be_repeated_do_not_lose_the_image() {
    for mode in ["none", "copy", "upload"] {
        for (name, headers) in odd_headers() {
            let cloud = Cloud::start_impatient(&[]).await;
            let object = cloud.put_with("a.jpg", photo(20_000), headers.clone());
            let response = cloud.chunk(mode, &[object]).await;
            let what = format!("{mode} {name}");
            assert_eq!(
                (response.ok, response.with_exif),
                (1, 1),
                "{what}: {:?}",
                response.failed
            );
            let warnings = cloud.records(RECORDS)[0]["warnings"].to_string();
            assert_eq!(
                warnings.contains("cannot be repeated"),
                mode != "none",
                "{what}: {warnings}"
            );
            if mode == "none" {
                continue;
            }
            let written = cloud.output("images/a.jpg").unwrap();
            assert_eq!(written.headers.cache_control, headers.cache_control, "{what}");
            assert_eq!(written.headers.user_metadata["owner"], "me", "{what}");
            let is_copy = mode == "copy";
            assert_eq!(
                written.headers.raw == headers.raw,
                is_copy,
                "{what}: S3 keeps all of it"
            );
            assert_eq!(
                written.headers.user_metadata.contains_key("exif-make"),
                !is_copy,
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn more_than_a_hundred_headers_are_read_and_repeated() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start_impatient(&[]).await;
        let user_metadata = (0..150).map(|number| (format!("n{number}"), number.to_string()));
        let headers = Headers {
            user_metadata: user_metadata.collect(),
            ..Headers::default()
        };
        let object = cloud.put_with("a.jpg", photo(20_000), headers.clone());
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(
            (response.ok, response.with_exif),
            (1, 1),
            "{mode}: {:?}",
            response.failed
        );
        if mode != "none" {
            let written = cloud.output("images/a.jpg").unwrap();
            assert_eq!(written.headers.user_metadata["n149"], "149", "{mode}");
        }
    }
}

#[tokio::test]
async fn the_event_of_an_object_with_odd_headers_is_processed() {
    for (name, headers) in odd_headers() {
        let cloud = Cloud::start(&[DESTINATION]).await;
        cloud.put_with("a.jpg", photo(20_000), headers);
        let s3 = json!({"bucket": {"name": "photos"}, "object": {"key": "a.jpg"}});
        let event = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]});
        let response = cloud.invoke(event).await.unwrap();
        assert_eq!(response["ok"], 1, "{name}: {response}");
    }
}
