//! Events: which objects are processed, and what the response says.

use lambda_runtime::Diagnostic;
use local::s3::{Effect, Fault, S3ErrorCode};
use processor::{Error, EventResponse};
use serde_json::{Value, json};
use shared::protocol::diagnosis::Bottleneck;

use crate::cloud::{Cloud, DESTINATION, PHOTOS, sample};

async fn invoke(cloud: &Cloud, event: Value) -> EventResponse {
    serde_json::from_value(cloud.invoke(event).await.unwrap()).unwrap()
}

#[tokio::test]
async fn keys_are_relative_to_the_source() {
    let cloud = Cloud::start(&[DESTINATION, ("SOURCE", "s3://photos/été 2026/")]).await;
    cloud.put("été 2026/1+1 café.jpg", PHOTOS[0].clone());
    assert_eq!(invoke(&cloud, sample("s3-put-encoded-key.json")).await.ok, 1);
    assert!(cloud.output("images/1+1 café.jpg").is_some());

    let response = invoke(&cloud, sample("s3-put.json")).await;
    assert_eq!(response.ok, 0);
    assert_eq!(response.ignored[0].key, "IMG_00000.jpg");
    assert!(
        response.ignored[0]
            .reason
            .contains("outside the source s3://photos/été 2026/")
    );
}

#[tokio::test]
async fn the_response_says_why_objects_are_ignored() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let mut event = sample("s3-put.json");
    let record = event["Records"][0].clone();
    let with = |bucket: &str, key: &str, name: &str| {
        let mut record = record.clone();
        record["s3"]["bucket"]["name"] = json!(bucket);
        record["s3"]["object"]["key"] = json!(key);
        record["eventName"] = json!(name);
        record
    };
    event["Records"] = json!([
        with("photos", "notes.txt", "ObjectCreated:Put"),
        with("photos", "a.jpg", "ObjectRemoved:Delete"),
        with("photos-out", "images/a.jpg", "ObjectCreated:Copy"),
    ]);
    let response = invoke(&cloud, event).await;
    let mut reasons: Vec<&str> = response.ignored.iter().map(|ignored| ignored.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "it is in one of the destination's own folders",
            "its name does not match INCLUDE, or matches EXCLUDE",
            "the event is ObjectRemoved:Delete, not ObjectCreated",
        ]
    );
    assert_eq!(response.usage.requests.get, 0);
}

#[tokio::test]
async fn a_failure_that_is_not_retryable_is_recorded_and_the_event_does_not_come_again() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let mut event = sample("s3-put.json");
    event["Records"][0]["s3"]["object"]["versionId"] = json!("v1");
    for _ in 0..2 {
        let response = invoke(&cloud, event.clone()).await;
        assert_eq!(response.failed[0].class.to_string(), "not_found");
    }
    let [file] = cloud.server.store.keys("photos-out", "").try_into().unwrap();
    assert!(file.starts_with("jobs/events/failed/"), "{file}");
    let [failed] = cloud.records(&file).try_into().unwrap();
    let named = [
        &failed["bucket"],
        &failed["key"],
        &failed["version_id"],
        &failed["class"],
    ];
    assert_eq!(named, ["photos", "IMG_00000.jpg", "v1", "not_found"]);
    assert!(failed["error"].as_str().unwrap().contains("NoSuchKey"), "{failed}");
}

#[tokio::test]
async fn a_retryable_failure_fails_the_invocation() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    cloud.put("IMG_00000.jpg", PHOTOS[0].clone());
    let fault = |operation: &'static str, code: S3ErrorCode| Fault {
        operation,
        key_contains: String::new(),
        effect: Effect::Error(code),
        after: 0,
        times: usize::MAX,
    };
    for (operation, code) in [
        ("CopyObject", S3ErrorCode::NotImplemented),
        // If the record cannot be written, the object fails.
        ("PutObject", S3ErrorCode::NotImplemented),
        // A failure that is not retryable, and that cannot be recorded either, must come again.
        ("PutObject", S3ErrorCode::AccessDenied),
    ] {
        cloud.server.faults.clear();
        cloud.server.faults.add(fault(operation, code));
        let error = cloud.invoke(sample("s3-put.json")).await.unwrap_err();
        assert!(matches!(error, Error::RetryableFailures { count: 1, .. }), "{error}");
    }
    assert_eq!(cloud.server.store.keys("photos-out", "jobs/"), [""; 0]);
    cloud.server.faults.clear();
    assert_eq!(invoke(&cloud, sample("s3-put.json")).await.ok, 1);
}

#[tokio::test]
async fn a_response_says_what_limited_it() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    cloud.put("IMG_00000.jpg", PHOTOS[0].clone());
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: String::new(),
        effect: Effect::Error(S3ErrorCode::SlowDown),
        after: 0,
        times: 1,
    });
    let response = cloud.invoke(sample("s3-put.json")).await.unwrap();
    assert_eq!(
        (&response["ok"], &response["bottleneck"]),
        (&json!(1), &json!("s3 rate")),
        "{response}"
    );
    let [io, cpu] = ["io_percent", "cpu_percent"].map(|name| response[name].as_f64().unwrap());
    assert!((io + cpu - 100.0).abs() < 0.05, "{response}");
    assert!(
        response["advice"].as_str().unwrap().starts_with("S3 throttled "),
        "{response}"
    );
    let response: EventResponse = serde_json::from_value(response).unwrap();
    assert_eq!(
        response.diagnosis.map(|diagnosis| diagnosis.bottleneck),
        Some(Bottleneck::S3Rate)
    );
}

#[tokio::test]
async fn records_are_written_as_configured() {
    for (records, files) in [
        ("none", vec!["images/IMG_00000.jpg"]),
        ("sidecar", vec!["images/IMG_00000.jpg", "sidecars/IMG_00000.jpg.json"]),
    ] {
        let cloud = Cloud::start(&[DESTINATION, ("RECORDS", records)]).await;
        cloud.put("IMG_00000.jpg", PHOTOS[0].clone());
        assert_eq!(invoke(&cloud, sample("s3-put.json")).await.with_exif, 1);
        assert_eq!(cloud.server.store.keys("photos-out", ""), files);
        if records == "sidecar" {
            assert!(cloud.records(files[1])[0]["exif"]["make"].is_string());
        }
    }
}

#[tokio::test]
async fn an_event_needs_a_destination() {
    let cloud = Cloud::start(&[]).await;
    let error = cloud.invoke(sample("s3-put.json")).await.unwrap_err();
    assert!(error.to_string().contains("DESTINATION is not set"), "{error}");
}

/// The event of one upload, from the sample.
fn upload(cloud: &Cloud) -> Value {
    cloud.put("2026/photo.jpg", PHOTOS[0].clone());
    let mut event = sample("eventbridge-object-created.json");
    event["detail"]["bucket"]["name"] = json!("photos");
    event["detail"]["object"] = json!({"key": "2026/photo.jpg"});
    event
}

#[tokio::test]
async fn errors_that_every_object_would_meet_fail_the_invocation() {
    for (operation, status, code, error_type) in [
        ("GetObject", 400, "ExpiredToken", "CredentialsExpired"),
        ("GetObject", 403, "InvalidAccessKeyId", "CredentialsRefused"),
        ("CopyObject", 404, "NoSuchBucket", "DestinationRefused"),
        ("CopyObject", 301, "PermanentRedirect", "DestinationRefused"),
    ] {
        let cloud = Cloud::start(&[DESTINATION]).await;
        let event = upload(&cloud);
        cloud.server.faults.add(Fault {
            operation,
            key_contains: String::new(),
            effect: Effect::Status(status, Some(code)),
            after: 0,
            times: usize::MAX,
        });
        let error = Diagnostic::from(cloud.invoke(event).await.unwrap_err());
        assert_eq!(error.error_type, error_type, "{code}: {}", error.error_message);
        assert_eq!(cloud.server.store.keys("photos-out", ""), [""; 0], "{code}");
    }
}

#[tokio::test]
async fn an_object_in_another_region_fails_for_good_and_the_region_is_named() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let event = upload(&cloud);
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: String::new(),
        effect: Effect::Status(301, None),
        after: 0,
        times: usize::MAX,
    });
    let response = cloud.invoke(event).await.unwrap();
    let error = response["failed"][0]["error"].as_str().unwrap();
    assert!(error.contains("is in region eu-west-1"), "{error}");
    assert_eq!(cloud.server.store.keys("photos-out", "jobs/events/failed/").len(), 1);
}
