//! Invocations that fail, or whose answer is lost.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use local::lambda::Reply;
use serde_json::json;
use shared::failure::Class;
use shared::job::State;

use crate::cloud::{Cloud, Processor};

#[tokio::test]
async fn a_failed_invocation_is_sent_again() {
    let cloud = Cloud::with(async |number, processor: Processor| match number {
        1 => Reply::FunctionError(json!({"errorMessage": "exit status 1"})),
        2 => Reply::Refused(500, "ServiceException"),
        3 => Reply::Refused(429, "TooManyRequestsException"),
        _ => processor.run().await,
    })
    .await;
    cloud.put_many(50);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.invocations),
        (State::Completed, 50, 4),
        "{report:?}"
    );
    assert_eq!((report.requests.invoke, report.throttled), (4, 1));
    cloud.check(&report);
}

#[tokio::test]
async fn a_lost_answer_of_work_that_was_committed_counts_once() {
    let cloud = Cloud::with(async |number, processor: Processor| {
        let reply = processor.run().await;
        if number == 1 { Reply::Dropped } else { reply }
    })
    .await;
    cloud.put_many(50);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.with_exif),
        (State::Completed, 50, 5),
        "{report:?}"
    );
    assert_eq!(cloud.invocations.load(Relaxed), 1, "nothing was left to send again");
    cloud.check(&report);
}

#[tokio::test]
async fn of_a_commit_with_gaps_only_the_gaps_are_sent_again() {
    let cloud = Cloud::with(async |number, mut processor: Processor| {
        if number == 1 {
            processor.payload["objects"].as_array_mut().unwrap().truncate(30);
            processor.run().await;
            return Reply::Dropped;
        }
        assert_eq!(processor.payload["objects"].as_array().unwrap().len(), 20);
        processor.run().await
    })
    .await;
    cloud.put_many(50);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.with_exif),
        (State::Completed, 50, 5),
        "{report:?}"
    );
    cloud.check(&report);
}

#[tokio::test]
async fn a_processor_that_answers_too_late_changes_nothing() {
    let (done, mut late) = tokio::sync::mpsc::channel(1);
    let cloud = Cloud::with(move |number, processor: Processor| {
        let done = done.clone();
        async move {
            if number > 1 {
                return processor.run().await;
            }
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(800)).await;
                done.send(processor.run().await).await.unwrap();
            });
            Reply::Dropped
        }
    })
    .await;
    cloud.put_many(50);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.state, report.ok), (State::Completed, 50), "{report:?}");
    let Some(Reply::FunctionError(error)) = late.recv().await else {
        panic!("the late processor must fail");
    };
    assert!(error["errorMessage"].as_str().unwrap().contains("given up"), "{error}");
    cloud.check(&report);
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    for nonsense in [
        json!({"statusCode": 200}),
        json!(null),
        json!({"job_id": "job", "chunk": 0, "attempt": "1-1", "ok": 7, "with_exif": 0, "skipped": 0, "failed": [],
               "unprocessed": [], "requests": {}, "throttled": 0, "bytes_read": 0, "bytes_written": 0,
               "elapsed_ms": 0, "cpu_ms": 0, "stages": {}}),
    ] {
        let cloud = Cloud::with(move |number, processor: Processor| {
            let nonsense = nonsense.clone();
            async move {
                if number == 1 {
                    Reply::Ok(nonsense)
                } else {
                    processor.run().await
                }
            }
        })
        .await;
        cloud.put_many(10);
        let report = cloud.run(json!({})).await.unwrap();
        assert_eq!(
            (report.state, report.ok, report.invocations),
            (State::Completed, 10, 2),
            "{report:?}"
        );
        cloud.check(&report);
    }
}

#[tokio::test]
async fn a_chunk_that_never_succeeds_fails_its_keys_and_no_others() {
    let cloud = Cloud::with(async |_, processor: Processor| {
        let poisoned = processor.payload["chunk"] == 1;
        if poisoned {
            Reply::FunctionError(json!({"errorMessage": "out of memory"}))
        } else {
            processor.run().await
        }
    })
    .await;
    cloud.put_many(30);
    let report = cloud.run(json!({"chunk_keys": 10})).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.failed),
        (State::Completed, 20, 10),
        "{report:?}"
    );
    assert_eq!(report.failures[&Class::Internal], 10);
    assert!(cloud.text("jobs/job/failed/1-1.ndjson").contains("out of memory"));
    cloud.check(&report);
}

#[tokio::test]
async fn a_missing_function_aborts_the_job() {
    let cloud = Cloud::with(async |_, _| Reply::Refused(404, "ResourceNotFoundException")).await;
    cloud.put_many(30);
    let report = cloud.run(json!({"chunk_keys": 10, "parallel": 1})).await.unwrap();
    assert_eq!((report.state, report.pending), (State::Aborted, 30), "{report:?}");
    let reason = report.reason.as_ref().unwrap();
    assert!(
        reason.contains("invoking processor") && reason.contains("ResourceNotFoundException"),
        "{reason}"
    );
    assert_eq!(report.invocations, 1);
    cloud.check(&report);
}

#[tokio::test]
async fn without_records_a_lost_attempt_is_repeated() {
    let cloud = Cloud::with(async |number, processor: Processor| {
        let reply = processor.run().await;
        if number == 1 { Reply::Dropped } else { reply }
    })
    .await;
    cloud.put_many(10);
    let report = cloud.run(json!({"records": "none"})).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.invocations),
        (State::Completed, 10, 2),
        "{report:?}"
    );
    assert!(cloud.server.store.keys("photos-out", "records/").is_empty());
    assert_eq!(cloud.server.store.keys("photos-out", "images/").len(), 10);
}
