//! Invocations that fail, or whose response is lost.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use local::lambda::{Endpoint, Reply};
use local::s3::{Effect, Fault, S3ErrorCode, sdk};
use serde_json::json;
use shared::protocol::job::State;

use crate::cloud::{Cloud, Gate, Processor, Timeouts};

#[tokio::test]
async fn a_failed_invocation_is_sent_again() {
    let cloud = Cloud::with(async |number, processor: Processor| match number {
        1 => Reply::FunctionError(json!({"errorMessage": "exit status 1"})),
        2 => Reply::Rejected(500, "ServiceException"),
        3 => Reply::Rejected(429, "TooManyRequestsException"),
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
async fn a_processor_may_take_longer_than_any_request_to_s3() {
    let endpoint = Endpoint::start(async |_, _| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Reply::Ok(json!("done"))
    })
    .await
    .unwrap();
    let of_s3 = Duration::from_millis(100);
    let timeouts = TimeoutConfig::builder()
        .read_timeout(of_s3)
        .operation_attempt_timeout(of_s3)
        .operation_timeout(of_s3)
        .build();
    let sdk = sdk(&endpoint.url())
        .await
        .into_builder()
        .timeout_config(timeouts)
        .build();
    let lambda = fanout::invoke_client(&sdk).unwrap();
    let response = lambda.invoke().function_name("processor").send().await.unwrap();
    assert_eq!(response.payload.unwrap().as_ref(), b"\"done\"");
}

#[tokio::test]
async fn committed_work_counts_once_if_its_response_is_lost() {
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
    assert_eq!(cloud.invocations.load(Relaxed), 1, "no key should be sent again");
    cloud.check(&report);
}

#[tokio::test]
async fn after_an_incomplete_commit_only_the_other_keys_are_sent_again() {
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
async fn a_processor_that_responds_too_late_changes_nothing() {
    let (done, mut late) = tokio::sync::mpsc::channel(1);
    let cloud = Cloud::with(move |number, processor: Processor| {
        let done = done.clone();
        async move {
            if number > 1 {
                return processor.run().await;
            }
            tokio::spawn(async move {
                processor.until_given_up().await;
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
async fn an_invalid_response_counts_as_lost() {
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
async fn only_the_key_that_kills_its_processor_fails() {
    for crash in [
        || Reply::FunctionError(json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"})),
        || Reply::Ok(json!({"what": "is this"})),
    ] {
        let cloud = Cloud::with(move |_, processor: Processor| async move {
            if processor.holds("00013.jpg") {
                // It dies in the middle of its work, before its commit.
                let mut half = processor;
                half.payload["records"] = json!("none");
                half.run().await;
                crash()
            } else {
                processor.run().await
            }
        })
        .await;
        cloud.put_many(40);
        let report = cloud.run(json!({"chunk_keys": 20})).await.unwrap();
        assert_eq!((report.ok, report.failed), (39, 1), "{report:?}");
        assert_eq!(cloud.failed("job"), [("00013.jpg".to_owned(), "internal".to_owned())]);
        // 20 keys twice, then 10, 5, 3 or 2, 2 or 1, and 1: about 13 invocations, not 40.
        assert!(report.invocations < 16, "{report:?}");
        cloud.check_all(&report);
    }
}

#[tokio::test]
async fn an_invocation_that_hangs_is_lost_after_the_timeout() {
    let timeouts = Timeouts {
        invoke: Duration::from_secs(310),
        ..Timeouts::default()
    };
    let cloud = Cloud::with_timeouts(timeouts, async |number, processor: Processor| {
        if number == 1 {
            processor.clock.advance(Duration::from_secs(310));
            std::future::pending::<()>().await;
        }
        processor.run().await
    })
    .await;
    cloud.put_many(10);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.ok, report.invocations), (10, 2), "{report:?}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn no_key_fails_while_lambda_is_unavailable() {
    let cloud = Cloud::with(async |number, processor: Processor| match number {
        1..=4 => Reply::Rejected(503, "ServiceException"),
        5..=8 => Reply::Rejected(429, "TooManyRequestsException"),
        _ => processor.run().await,
    })
    .await;
    cloud.put_many(40);
    let report = cloud.run(json!({"chunk_keys": 10})).await.unwrap();
    assert_eq!((report.ok, report.failed, report.chunks), (40, 0, 4), "{report:?}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_processor_that_never_responds_aborts_the_job() {
    let cloud = Cloud::with(async |_, _| Reply::FunctionError(json!({"errorType": "Runtime.ExitError"}))).await;
    cloud.put_many(200);
    let report = cloud.run(json!({"chunk_keys": 10, "parallel": 3})).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.pending),
        (State::Aborted, 0, 200),
        "{report:?}"
    );
    let reason = report.reason.as_ref().unwrap();
    assert!(
        reason.contains("invocations responded") && reason.contains("ExitError"),
        "{reason}"
    );
    assert!(report.invocations < 45, "{report:?}");
    cloud.check(&report);
}

#[tokio::test]
async fn a_processor_that_may_not_write_aborts_the_job() {
    let cloud = Cloud::start().await;
    cloud.put_many(30);
    cloud.server.faults.deny("PutObject", "records/");
    let report = cloud.run(json!({"chunk_keys": 10, "parallel": 1})).await.unwrap();
    assert_eq!(
        (report.state, report.pending, report.invocations),
        (State::Aborted, 30, 1),
        "{report:?}"
    );
    assert!(report.reason.as_ref().unwrap().contains("AccessDenied"), "{report:?}");
    cloud.check(&report);
}

#[tokio::test]
async fn a_missing_function_aborts_the_job() {
    let cloud = Cloud::with(async |_, _| Reply::Rejected(404, "ResourceNotFoundException")).await;
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

#[tokio::test]
async fn lines_of_a_lost_attempt_that_are_damaged_do_not_count() {
    let cloud = Cloud::with(async |number, processor: Processor| {
        let server = processor.server.clone();
        let reply = processor.run().await;
        if number > 1 {
            return reply;
        }
        let file = server.store.keys("photos-out", "records/job=job/").remove(0);
        let body = server.store.get("photos-out", &file).unwrap().body.bytes();
        let damaged: Vec<u8> = body[..body.len() / 2].to_vec();
        let object = local::s3::Object::new(damaged.into(), local::s3::Headers::default());
        server.store.load("photos-out", &file, object);
        Reply::Dropped
    })
    .await;
    cloud.put_many(50);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.state, report.ok), (State::Completed, 50), "{report:?}");
    assert_eq!(cloud.invocations.load(Relaxed), 2);
}

#[tokio::test]
async fn a_damaged_report_does_not_hide_the_status() {
    let gate = Gate::closed();
    let cloud = {
        let gate = gate.clone();
        Cloud::with(move |_, processor: Processor| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                processor.run().await
            }
        })
        .await
    };
    cloud.put_many(50);
    let status = async {
        cloud.until(|cloud| cloud.report("job").is_some()).await;
        cloud.put_out("jobs/job/job.json", b"{damaged");
        let report = cloud.run(json!({"action": "status"})).await.unwrap();
        gate.open();
        report
    };
    let (ended, status) = tokio::join!(cloud.run(json!({})), status);
    assert_eq!((status.state, status.listed), (State::Running, 50), "{status:?}");
    cloud.check_all(&ended.unwrap());
}

/// More keys than the first checkpoint has room for, so that chunks have bodies.
const WITH_BODIES: usize = 4_000;

#[tokio::test]
async fn a_body_that_cannot_be_read_now_is_read_again() {
    // The first attempts are throttled. Then the objects of most chunks are only in their bodies.
    let cloud = Cloud::with(async |number, processor: Processor| match number {
        1..10 => Reply::Rejected(429, "TooManyRequestsException"),
        _ => processor.run().await,
    })
    .await;
    cloud.put_many(WITH_BODIES);
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "/chunks/".to_owned(),
        effect: Effect::Error(S3ErrorCode::AccessDenied),
        after: 0,
        times: 2,
    });
    let report = cloud.run(json!({"chunk_keys": 1000, "parallel": 2})).await.unwrap();
    assert_eq!((report.state, report.ok), (State::Completed, 4_000), "{report:?}");
    assert_eq!(cloud.server.faults.injected().other, 2);
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_body_of_another_job_is_not_used() {
    let cloud = Cloud::start().await;
    cloud.put_many(WITH_BODIES);
    // As if the files of an earlier job with the same id had been deleted, except these.
    for number in 1..10 {
        cloud.put_out(
            &format!("jobs/job/chunks/1-{number}.ndjson"),
            "{\"key\":\"other.jpg\"}\n",
        );
    }
    let error = cloud.run(json!({"images": "none"})).await.unwrap_err().to_string();
    assert!(error.contains("exists, and holds other objects"), "{error}");
    assert!(!cloud.records("job").contains_key("other.jpg"));
}
