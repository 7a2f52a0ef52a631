//! Responses of S3 that contradict their request, the listing or themselves, and writes whose response says little.

use std::collections::HashMap;
use std::time::Duration;

use local::s3::{Effect, Fault, Headers};
use serde_json::{Value, json};
use shared::protocol::failure::FailureClass;
use shared::s3::Timeouts;

use crate::cloud::{Cloud, DESTINATION, PHOTOS, RECORDS};

const MIB: usize = 1024 * 1024;

impl Cloud {
    fn fault(&self, operation: &'static str, key: &str, effect: Effect, times: usize) {
        self.server.faults.add(Fault {
            operation,
            key_contains: key.to_owned(),
            effect,
            after: 0,
            times,
        });
    }
}

/// A photo of a given length. It is longer than the front if `len` is.
fn photo(len: usize) -> Vec<u8> {
    let mut photo = PHOTOS[0].clone();
    photo.resize(len, 0x5A);
    photo
}

/// Wrong responses to a read, and the sizes of images for which they are wrong in a mode.
fn wrong_reads(mode: &str) -> Vec<(Effect, &'static [usize])> {
    let ranged: &[usize] = if mode == "upload" { &[] } else { &[300_000] };
    vec![
        (Effect::Shorter, &[20_000, 300_000]),
        (Effect::NoBytes, &[20_000, 300_000]),
        (Effect::NoETag, &[20_000, 300_000]),
        (Effect::OtherRange, ranged),
        (Effect::Flipped, &[20_000]),
    ]
}

#[tokio::test]
async fn a_wrong_response_to_a_read_is_read_again() {
    for mode in ["none", "copy", "upload"] {
        for (effect, sizes) in wrong_reads(mode) {
            for &size in sizes {
                let cloud = Cloud::start_impatient(&[]).await;
                let object = cloud.put("a.jpg", photo(size));
                // Two reads that are wrong in the same way agree.
                let times = if effect == Effect::Flipped { 1 } else { 2 };
                cloud.fault("GetObject", "a.jpg", effect.clone(), times);
                let response = cloud.chunk(mode, &[object]).await;
                let what = format!("{mode} {effect:?} {size}");
                assert_eq!(response.ok, 1, "{what}: {:?}", response.failed);
                assert_eq!(response.with_exif, 1, "{what}");
                let record = &cloud.records(RECORDS)[0];
                assert_eq!(record["size"], size, "{what}");
                if mode != "none" {
                    assert!(cloud.output("images/a.jpg").unwrap().body == photo(size), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_read_that_stays_wrong_is_never_ok() {
    for mode in ["none", "copy", "upload"] {
        for (effect, sizes) in wrong_reads(mode) {
            for &size in sizes {
                let what = format!("{mode} {effect:?} {size}");
                let cloud = Cloud::start_impatient(&[]).await;
                let object = cloud.put("a.jpg", photo(size));
                cloud.fault("GetObject", "a.jpg", effect.clone(), usize::MAX);
                let response = cloud.chunk(mode, &[object]).await;
                if effect == Effect::Flipped {
                    // Two reads agree, so the ETag may be something else than an MD5.
                    assert_eq!(response.ok, 1, "{what}: {:?}", response.failed);
                    let warnings = cloud.records(RECORDS)[0]["warnings"].to_string();
                    assert!(warnings.contains("two reads agreed"), "{what}: {warnings}");
                    continue;
                }
                assert_eq!(
                    (response.ok, response.failed.len()),
                    (0, 1),
                    "{what}: {:?}",
                    response.failed
                );
                assert_eq!(
                    response.failed[0].class,
                    FailureClass::Corrupt,
                    "{what}: {:?}",
                    response.failed
                );
                assert!(cloud.output("images/a.jpg").is_none(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn an_object_that_was_replaced_is_changed_even_if_the_store_ignores_conditions() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start_impatient(&[]).await;
        let listed = cloud.put("a.jpg", photo(20_000));
        cloud.put("a.jpg", photo(20_001));
        cloud.fault("GetObject", "a.jpg", Effect::Unconditional, usize::MAX);
        let response = cloud.chunk(mode, &[listed]).await;
        assert_eq!(
            (response.ok, response.failed.len()),
            (0, 1),
            "{mode}: {:?}",
            response.failed
        );
        assert_eq!(
            response.failed[0].class,
            FailureClass::Changed,
            "{mode}: {:?}",
            response.failed
        );
    }
}

#[tokio::test]
async fn an_old_object_without_a_checksum_is_compared_with_its_etag() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start_impatient(&[]).await;
        let listed = cloud.put("a.jpg", photo(20_000));
        let mut old = (*cloud.server.store.get("photos", "a.jpg").unwrap()).clone();
        old.checksum = None;
        cloud.server.store.load("photos", "a.jpg", old.clone());
        let response = cloud.chunk(mode, &[listed]).await;
        assert_eq!(
            (response.ok, response.usage.requests.get),
            (1, 1),
            "{mode}: {:?}",
            response.failed
        );
        assert_eq!(cloud.records(RECORDS)[0]["warnings"], json!([]), "{mode}");

        // With a KMS key, and in other stores, the ETag is something else.
        for (etag, encryption, gets) in [
            ("0123456789abcdef0123456789abcdef", Some("AES256"), 2),
            ("0123456789abcdef0123456789abcdef", Some("aws:kms"), 1),
            ("0123456789abcdef0123456789abcdef", None, 1),
            ("0123456789abcdef0123456789abcdef-2", Some("AES256"), 1),
            ("some-etag", Some("AES256"), 1),
        ] {
            let mut other = old.clone();
            etag.clone_into(&mut other.etag);
            other.encryption = encryption.map(str::to_owned);
            let cloud = Cloud::start_impatient(&[]).await;
            cloud.server.store.load("photos", "a.jpg", other);
            let listed = json!({"key": "a.jpg", "size": 20_000, "etag": etag});
            let response = cloud.chunk(mode, &[listed]).await;
            assert_eq!(
                (response.ok, response.usage.requests.get),
                (1, gets),
                "{mode} {etag} {encryption:?}"
            );
            let warnings = cloud.records(RECORDS)[0]["warnings"].as_array().unwrap().len();
            assert_eq!(warnings, usize::from(gets == 2), "{mode} {etag} {encryption:?}");
        }
    }
}

#[tokio::test]
async fn a_length_that_is_missing_is_no_problem_if_the_listing_has_it() {
    for (mode, size) in [
        ("none", 20_000),
        ("copy", 300_000),
        ("upload", 20_000),
        ("upload", 300_000),
    ] {
        let cloud = Cloud::start_impatient(&[]).await;
        let object = cloud.put("a.jpg", photo(size));
        cloud.fault("GetObject", "a.jpg", Effect::NoLength, usize::MAX);
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(response.ok, 1, "{mode} {size}: {:?}", response.failed);
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_read_further() {
    for (mode, size) in [("none", 20_000), ("copy", 300_000), ("upload", 300_000)] {
        let cloud = Cloud::start_impatient(&[]).await;
        let object = cloud.put("a.jpg", photo(size));
        cloud.fault("GetObject", "a.jpg", Effect::Endless, usize::MAX);
        let response = cloud.chunk(mode, &[object]).await;
        let failed = &response.failed[0];
        assert_eq!(failed.class, FailureClass::Corrupt, "{mode}: {failed:?}");
        assert!(failed.error.contains("were asked for"), "{mode}: {failed:?}");
    }
}

#[tokio::test]
async fn a_write_without_a_result_is_sent_again_and_never_ok() {
    for (mode, operation) in [("copy", "CopyObject"), ("upload", "PutObject")] {
        for effect in [
            Effect::Nothing,
            Effect::NoETag,
            Effect::ErrorWithin("InternalError"),
            Effect::ErrorWithin("ServiceUnavailable"),
            Effect::ErrorWithin("SlowDown"),
        ] {
            // S3 sends errors within a response only for operations that take long.
            if operation == "PutObject" && matches!(effect, Effect::ErrorWithin(_)) {
                continue;
            }
            let what = format!("{operation} {effect:?}");
            let cloud = Cloud::start_impatient(&[]).await;
            let object = cloud.put("a.jpg", photo(20_000));
            cloud.fault(operation, "a.jpg", effect.clone(), 3);
            let response = cloud.chunk(mode, std::slice::from_ref(&object)).await;
            assert_eq!(response.ok, 1, "{what}: {:?}", response.failed);
            assert!(cloud.output("images/a.jpg").unwrap().body == photo(20_000), "{what}");

            let cloud = Cloud::start_impatient(&[]).await;
            cloud.put("a.jpg", photo(20_000));
            cloud.fault(operation, "a.jpg", effect, usize::MAX);
            let response = cloud.chunk(mode, &[object]).await;
            assert_eq!(
                (response.ok, response.failed.len()),
                (0, 1),
                "{what}: {:?}",
                response.failed
            );
        }
    }
}

/// An image that is uploaded in parts, and one that is copied in parts.
fn in_parts(cloud: &Cloud) -> [(&'static str, &'static str, Value, u64); 2] {
    let upload = (65 * MIB) as u64;
    let copy = 6 * 1024 * MIB as u64;
    [
        (
            "upload",
            "UploadPart",
            cloud.put_long("up.jpg", PHOTOS[0].clone(), upload),
            upload,
        ),
        (
            "copy",
            "UploadPartCopy",
            cloud.put_long("copy.jpg", PHOTOS[0].clone(), copy),
            copy,
        ),
    ]
}

#[tokio::test]
async fn a_part_or_a_completion_without_a_result_is_sent_again() {
    for effect in [Effect::Nothing, Effect::NoETag, Effect::ErrorWithin("InternalError")] {
        let cloud = Cloud::start_impatient(&[]).await;
        for (mode, part, object, len) in in_parts(&cloud) {
            for operation in [part, "CompleteMultipartUpload"] {
                if (operation, &effect) == ("UploadPart", &Effect::ErrorWithin("InternalError")) {
                    continue;
                }
                cloud.fault(operation, "", effect.clone(), 2);
                let response = cloud.chunk(mode, std::slice::from_ref(&object)).await;
                let what = format!("{operation} {effect:?}");
                assert_eq!(response.ok, 1, "{what}: {:?}", response.failed);
                let key = format!("images/{}", object["key"].as_str().unwrap());
                assert_eq!(cloud.output(&key).unwrap().body.len(), len, "{what}");
                cloud.server.faults.clear();
                for key in cloud.server.store.keys("photos-out", "") {
                    cloud.server.store.delete("photos-out", &key);
                }
            }
        }
        assert_eq!(cloud.server.store.uploads("photos-out"), 0, "{effect:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_completion_was_not_heard_of_is_ok() {
    let cloud = Cloud::start_impatient(&[]).await;
    for (mode, part, object, _) in in_parts(&cloud) {
        cloud.fault("CompleteMultipartUpload", "", Effect::Cut, 1);
        let before = cloud.server.served.totals().requests;
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(response.ok, 1, "{part}: {:?}", response.failed);
        assert_eq!(cloud.server.served.totals().requests.head - before.head, 1, "{part}");
        cloud.server.store.delete("photos-out", RECORDS);
    }
}

#[tokio::test]
async fn an_upload_that_vanished_is_sent_again() {
    let cloud = Cloud::start_impatient(&[]).await;
    for (mode, part, object, len) in in_parts(&cloud) {
        let key = format!("images/{}", object["key"].as_str().unwrap());
        // Something else is at the target.
        cloud.server.store.load(
            "photos-out",
            &key,
            local::s3::Object::long(PHOTOS[1].clone().into(), len, local::s3::Headers::default()),
        );
        cloud.fault(
            "CompleteMultipartUpload",
            "",
            Effect::Status(404, Some("NoSuchUpload")),
            1,
        );
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(response.ok, 1, "{part}: {:?}", response.failed);
        let source = cloud
            .server
            .store
            .get("photos", key.strip_prefix("images/").unwrap())
            .unwrap();
        assert!(cloud.output(&key).unwrap().body == source.body, "{part}");
        cloud.server.store.delete("photos-out", RECORDS);
    }
}

/// Requests that S3 works on for a while, each with its mode and its image.
fn slow_operations(cloud: &Cloud) -> Vec<(&'static str, &'static str, Value)> {
    let [(_, _, upload, _), (_, _, copy, _)] = in_parts(cloud);
    vec![
        ("copy", "CopyObject", cloud.put("small.jpg", photo(20_000))),
        ("upload", "CompleteMultipartUpload", upload),
        ("copy", "CompleteMultipartUpload", copy.clone()),
        ("copy", "UploadPartCopy", copy),
    ]
}

#[tokio::test]
async fn an_operation_may_take_long_while_it_sends_spaces() {
    let timeouts = Timeouts {
        // A part of 16 MiB takes less, even on a busy machine.
        write: Duration::from_secs(6),
        silence: Duration::from_secs(10),
        ..Timeouts::default()
    };
    let cloud = Cloud::start_timed(timeouts).await;
    for (mode, operation, object) in slow_operations(&cloud) {
        let every = Duration::from_millis(500);
        cloud.fault(operation, "", Effect::Spaces { every, count: 16 }, 1);
        let before = cloud.server.served.totals().requests;
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(response.ok, 1, "{operation}: {:?}", response.failed);
        let after = cloud.server.served.totals().requests;
        // One of them, and no second one: a part of 512 MiB each, and begin, complete and the records for the upload.
        let writes = after.put + after.copy - before.put - before.copy;
        let expected = match (mode, operation) {
            ("copy", "CopyObject") => 2,
            ("upload", _) => 5 + 3,
            _ => 12 + 3,
        };
        assert_eq!(writes, expected, "{operation}");
        cloud.server.store.delete("photos-out", RECORDS);
    }
}

#[tokio::test]
async fn an_operation_that_falls_silent_is_sent_again() {
    let timeouts = Timeouts {
        silence: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let cloud = Cloud::start_timed(timeouts).await;
    for (mode, operation, object) in slow_operations(&cloud) {
        for effect in [
            Effect::Hang,
            Effect::Spaces {
                every: Duration::from_hours(1),
                count: 1,
            },
        ] {
            cloud.fault(operation, "", effect.clone(), 1);
            let response = cloud.chunk(mode, std::slice::from_ref(&object)).await;
            assert_eq!(response.ok, 1, "{operation} {effect:?}: {:?}", response.failed);
            cloud.server.store.delete("photos-out", RECORDS);
        }
    }
}

#[tokio::test]
async fn a_connection_without_a_response_leaves_time_for_another_one() {
    let cloud = Cloud::start(&[("IMAGE_TIMEOUT_SECONDS", "12")]).await;
    for (mode, operation) in [("none", "GetObject"), ("upload", "PutObject")] {
        let object = cloud.put("a.jpg", photo(20_000));
        cloud.fault(operation, "a.jpg", Effect::Hang, 1);
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(response.ok, 1, "{operation}: {:?}", response.failed);
        cloud.server.store.delete("photos-out", RECORDS);
    }
}

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
