//! Errors that every image would meet: credentials, buckets, regions.

use std::sync::atomic::Ordering::Relaxed;

use local::s3::{Effect, Fault};
use serde_json::json;
use shared::protocol::job::State;

use crate::cloud::{Cloud, LEASE, TINY, invocation};

impl Cloud {
    fn fault(&self, operation: &'static str, status: u16, code: &'static str, times: usize) {
        self.server.faults.add(Fault {
            operation,
            key_contains: ".jpg".to_owned(),
            effect: Effect::Status(status, Some(code)),
            after: 0,
            times,
        });
    }
}

#[tokio::test]
async fn credentials_that_are_refused_for_a_moment_fail_no_key() {
    for (status, code) in [
        (400, "ExpiredToken"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (403, "RequestTimeTooSkewed"),
    ] {
        for (mode, operation) in [("none", "GetObject"), ("copy", "CopyObject"), ("upload", "PutObject")] {
            let cloud = Cloud::start().await;
            cloud.put_many(100);
            cloud.fault(operation, status, code, 1);
            let report = cloud.run(json!({"images": mode, "chunk_keys": 20})).await.unwrap();
            assert_eq!((report.ok, report.failed), (100, 0), "{code} {mode}: {report:?}");
            cloud.check_all(&report);
        }
    }
}

#[tokio::test]
async fn what_every_image_would_meet_ends_the_job_and_keeps_its_keys() {
    for (operation, mode, status, code, reason) in [
        ("GetObject", "none", 403, "InvalidAccessKeyId", "CredentialsRefused"),
        ("CopyObject", "copy", 403, "SignatureDoesNotMatch", "CredentialsRefused"),
        ("CopyObject", "copy", 404, "NoSuchBucket", "DestinationRefused"),
        ("PutObject", "upload", 404, "NoSuchBucket", "DestinationRefused"),
        ("GetObject", "none", 404, "NoSuchBucket", "SourceUnusable"),
        ("GetObject", "copy", 301, "PermanentRedirect", "is in region eu-west-1"),
        ("CopyObject", "copy", 301, "PermanentRedirect", "is in region eu-west-1"),
        (
            "PutObject",
            "upload",
            307,
            "TemporaryRedirect",
            "is in region eu-west-1",
        ),
    ] {
        for records in ["ndjson", "none"] {
            let cloud = Cloud::start().await;
            cloud.put_many(100);
            cloud.fault(operation, status, code, usize::MAX);
            let fields = json!({"images": mode, "records": records, "chunk_keys": 20, "parallel": 4});
            let report = cloud.run(fields).await.unwrap();
            let what = format!("{operation} {code} {records}: {report:?}");
            assert_eq!((report.state, report.failed), (State::Aborted, 0), "{what}");
            assert!(report.reason.as_ref().unwrap().contains(reason), "{what}");
            assert_eq!(report.listed, report.pending + report.ok, "{what}");

            cloud.server.faults.clear();
            let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again", "source": null});
            let again = cloud.run(redrive).await.unwrap();
            assert_eq!((report.ok + again.ok, again.failed), (100, 0), "{what}: {again:?}");
        }
    }
}

#[tokio::test]
async fn fanout_names_the_region_of_a_source_that_is_elsewhere() {
    let cloud = Cloud::start().await;
    cloud.server.faults.add(Fault {
        operation: "ListObjectsV2",
        key_contains: String::new(),
        effect: Effect::Status(301, Some("PermanentRedirect")),
        after: 0,
        times: usize::MAX,
    });
    let error = cloud.run(json!({})).await.unwrap_err().to_string();
    assert!(
        error.contains("s3://photos/") && error.contains("is in region eu-west-1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_that_ignores_conditions_ends_the_job() {
    for records in ["ndjson", "none"] {
        let cloud = Cloud::start().await;
        cloud.put_many(100);
        cloud.server.faults.add(Fault {
            operation: "PutObject",
            key_contains: String::new(),
            effect: Effect::Unconditional,
            after: 0,
            times: usize::MAX,
        });
        let fields = json!({"records": records, "chunk_keys": 20});
        let report = cloud.run(fields.clone()).await.unwrap();
        assert_eq!((report.state, report.ok), (State::Aborted, 0), "{report:?}");
        let reason = report.reason.unwrap();
        assert!(reason.contains("ignores If-None-Match"), "{reason}");
        assert_eq!(cloud.run(fields).await.unwrap().state, State::Aborted);
    }
}

#[tokio::test]
async fn a_second_invocation_does_not_start_in_a_store_that_ignores_conditions() {
    let cloud = Cloud::start().await;
    cloud.put_many(100);
    let fault = |effect, after| {
        cloud.server.faults.add(Fault {
            operation: "PutObject",
            key_contains: "checkpoint.json".to_owned(),
            effect,
            after,
            times: usize::MAX,
        });
    };
    // The first invocation is killed before it has found out.
    fault(Effect::Hang, 1);
    assert!(
        cloud
            .kill_when(json!({}), |cloud| cloud.checkpoint("job").is_some())
            .await
    );
    cloud.clock.advance(LEASE);
    cloud.server.faults.clear();
    fault(Effect::Unconditional, 0);
    let before = cloud.invocations.load(Relaxed);
    let next = json!({"continue_job": "job", "destination": "s3://photos-out/"});
    let error = loop {
        match fanout::handle(&cloud.app, next.clone(), &invocation("next")).await {
            Err(error) => break error,
            // A write of the first invocation has arrived late.
            Ok(_) => cloud.clock.advance(LEASE),
        }
    };
    assert!(error.to_string().contains("ignores If-None-Match"), "{error}");
    assert_eq!(cloud.invocations.load(Relaxed), before);

    cloud.server.faults.clear();
    // The store has written what should not have been written.
    cloud.clock.advance(LEASE);
    let report = cloud.run(json!({})).await.unwrap();
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_job_whose_images_are_all_denied_is_aborted() {
    // Early, if the source is large; otherwise at its end.
    for (images, most) in [(4_000, 3_000), (60, 60)] {
        let cloud = Cloud::start().await;
        cloud.put_many(images);
        cloud.server.faults.deny("GetObject", ".jpg");
        let fields = json!({"images": "none", "chunk_keys": 200, "parallel": 2});
        let report = cloud.run(fields).await.unwrap();
        assert_eq!((report.state, report.ok), (State::Aborted, 0), "{report:?}");
        assert!(
            report.reason.as_ref().unwrap().contains("failed with access_denied"),
            "{report:?}"
        );
        assert!(report.failed <= most && report.failed >= 60, "{report:?}");
        cloud.check(&report);
    }
}

#[tokio::test]
async fn one_denied_folder_does_not_end_the_job() {
    let cloud = Cloud::start().await;
    for number in 0..2_000 {
        cloud.put(&format!("private/{number:05}.jpg"), &TINY);
    }
    for number in 0..50 {
        cloud.put(&format!("public/{number:05}.jpg"), &TINY);
    }
    cloud.server.faults.deny("GetObject", "private/");
    let fields = json!({"images": "none", "chunk_keys": 100, "parallel": 2});
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.failed), (50, 2_000), "{report:?}");
    cloud.check_all(&report);
}
