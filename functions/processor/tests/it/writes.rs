//! Writes whose response says little, comes late, or is lost.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use local::s3::Effect;
use serde_json::Value;
use shared::s3::Timeouts;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk, photo};

const MIB: usize = 1024 * 1024;

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

#[tokio::test]
async fn a_commit_whose_response_was_lost_is_not_said_to_be_impossible() {
    for (lost, error_type) in [(0, "DestinationRefused"), (1, "CommitFailed")] {
        let cloud = Cloud::start_impatient(&[]).await;
        let object = cloud.put("a.jpg", photo(20_000));
        cloud.fault("PutObject", "records/", Effect::Cut, lost);
        let refused = Effect::Status(301, Some("PermanentRedirect"));
        cloud.fault("PutObject", "records/", refused, usize::MAX);
        let error = cloud.invoke(chunk("none", &[object])).await.unwrap_err();
        assert_eq!(cloud.output(RECORDS).is_some(), lost == 1);
        assert_eq!(Diagnostic::from(error).error_type, error_type);
    }
}
