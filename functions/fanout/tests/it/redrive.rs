//! Jobs over the keys that another job left.

use local::s3::{Effect, Fault, S3ErrorCode};
use serde_json::json;
use shared::protocol::job::State;

use crate::cloud::{Cloud, TINY};

#[tokio::test]
async fn only_failed_keys_are_redriven() {
    let cloud = Cloud::start().await;
    cloud.put_many(1_500);
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "5.jpg".to_owned(),
        effect: Effect::Error(S3ErrorCode::AccessDenied),
        after: 0,
        times: 150,
    });
    let planned = json!({"cost_usd": 1.5, "seconds": 60.0});
    let parent = cloud.run(json!({"chunk_keys": 100, "planned": planned})).await.unwrap();
    assert_eq!((parent.ok, parent.failed), (1_350, 150), "{parent:?}");
    assert!(parent.planned.is_some());
    // One object was replaced since. A redrive processes the new object.
    cloud.put("00005.jpg", b"\xFF\xD8\xFF\xDB something else");
    cloud.put("later.jpg", &TINY);
    let report = cloud
        .run(json!({"action": "redrive", "parent": "job", "job_id": "again"}))
        .await
        .unwrap();
    assert_eq!((report.parent.as_deref(), report.planned), (Some("job"), None));
    assert_eq!(
        (report.state, report.listed, report.ok),
        (State::Completed, 150, 150),
        "{report:?}"
    );
    cloud.check(&report);
    assert!(cloud.records("again").keys().all(|key| key.ends_with("5.jpg")));
    // The parent has not changed.
    cloud.check(&parent);
}

#[tokio::test]
async fn an_aborted_job_is_finished_by_a_redrive() {
    let cloud = Cloud::start().await;
    cloud.put_many(3_000);
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "00".to_owned(),
        effect: Effect::Error(S3ErrorCode::AccessDenied),
        after: 0,
        times: 700,
    });
    let fields = json!({"chunk_keys": 100, "parallel": 2, "max_failed_percent": 50});
    let parent = cloud.run(fields).await.unwrap();
    assert_eq!(parent.state, State::Aborted, "{parent:?}");
    cloud.check(&parent);
    cloud.server.faults.clear();
    let report = cloud
        .run(json!({"action": "redrive", "parent": "job", "job_id": "again", "max_failed_percent": 100}))
        .await
        .unwrap();
    assert_eq!((report.state, report.failed), (State::Completed, 0), "{report:?}");
    cloud.check(&report);
    // Together, the two jobs have each image once.
    assert_eq!(parent.ok + report.ok, 3_000);
    let (first, second) = (cloud.records("job"), cloud.records("again"));
    assert!(first.keys().all(|key| !second.contains_key(key)));

    let error = cloud
        .run(json!({"action": "redrive", "parent": "job", "job_id": "x", "source": "s3://photos/2024/"}))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the source and destination of its parent"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redrive_continues_a_listing_that_broke_off() {
    let cloud = Cloud::start().await;
    cloud.put_many(2_500);
    cloud.server.faults.add(Fault {
        operation: "ListObjectsV2",
        key_contains: String::new(),
        effect: Effect::Error(S3ErrorCode::AccessDenied),
        after: 1,
        times: 1,
    });
    let parent = cloud.run(json!({"chunk_keys": 300})).await.unwrap();
    assert_eq!(
        (parent.state, parent.listed, parent.listing_finished),
        (State::Aborted, 1_000, false)
    );
    assert!(parent.reason.as_ref().unwrap().contains("AccessDenied"), "{parent:?}");
    cloud.check(&parent);
    let report = cloud
        .run(json!({"action": "redrive", "parent": "job", "job_id": "again"}))
        .await
        .unwrap();
    assert_eq!(
        (report.state, parent.ok + report.ok),
        (State::Completed, 2_500),
        "{report:?}"
    );
    cloud.check(&report);
}
