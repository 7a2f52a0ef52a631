//! Jobs that take more than one invocation of fanout.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use local::lambda::Reply;
use local::s3::{Headers, Latency, Object};
use serde_json::{Value, json};
use shared::job::State;

use crate::cloud::{Cloud, Processor};

/// A processor that takes a while.
async fn slow(_: usize, processor: Processor) -> Reply {
    tokio::time::sleep(Duration::from_millis(150)).await;
    processor.run().await
}

#[tokio::test]
async fn a_long_job_goes_on_in_the_next_invocation() {
    let cloud = Cloud::with(slow).await;
    cloud.put_many(800);
    cloud.lifetime_ms.store(1_500, Relaxed);
    let first = cloud.run(json!({"chunk_keys": 10, "parallel": 2})).await.unwrap();
    assert_eq!((first.state, first.generation), (State::Running, 1), "{first:?}");
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, report.with_exif), (800, 80), "{report:?}");
    assert!(report.generation > 2, "{report:?}");
    // All 80 chunks were sent once: what was in flight was waited for.
    assert_eq!((report.chunks, report.invocations), (80, 80));
    cloud.check_all(&report);
}

#[tokio::test]
async fn an_invocation_that_outlives_fanout_is_given_up_by_the_next() {
    let cloud = Cloud::with(async |number, processor: Processor| {
        if number == 2 {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
        }
        processor.run().await
    })
    .await;
    cloud.put_many(60);
    cloud.lifetime_ms.store(1_500, Relaxed);
    let first = cloud.run(json!({"chunk_keys": 20, "parallel": 3})).await.unwrap();
    assert_eq!((first.state, first.pending), (State::Running, 20), "{first:?}");
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, report.generation), (60, 2), "{report:?}");
    // The late one comes, and changes nothing.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_job_whose_next_invocation_cannot_be_started_says_so() {
    let mut cloud = Cloud::with(slow).await;
    cloud.put_many(500);
    cloud.lifetime_ms.store(1_200, Relaxed);
    let lambda = local::lambda::Endpoint::start(async |name: String, payload: Value| {
        if name == "fanout" {
            return Reply::Refused(403, "AccessDeniedException");
        }
        // Slower than the job has time for.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let objects = payload["objects"].as_array().unwrap();
        let unprocessed: Vec<&Value> = objects.iter().map(|object| &object["key"]).collect();
        Reply::Ok(
            json!({"job_id": "job", "chunk": payload["chunk"], "attempt": payload["attempt"], "ok": 0,
            "with_exif": 0, "skipped": 0, "failed": [], "unprocessed": unprocessed, "requests": {}, "throttled": 0,
            "bytes_read": 0, "bytes_written": 0, "elapsed_ms": 0, "cpu_ms": 0, "stages": {}}),
        )
    })
    .await
    .unwrap();
    let sdk = local::s3::sdk(&lambda.url()).await;
    let app = fanout::App {
        config: cloud.app.config.clone(),
        sdk: cloud.app.sdk.clone(),
        lambda: fanout::invoke_client(&sdk, Duration::from_secs(10)).unwrap(),
    };
    let whole = std::mem::replace(&mut cloud.app, std::sync::Arc::new(app));
    let report = cloud.run(json!({"chunk_keys": 5, "parallel": 2})).await.unwrap();
    assert_eq!((report.state, report.pending), (State::Aborted, 500), "{report:?}");
    let reason = report.reason.as_ref().unwrap();
    assert!(
        reason.contains("next invocation could not be started") && reason.contains("AccessDeniedException"),
        "{reason}"
    );
    cloud.check(&report);

    cloud.app = whole;
    cloud.lifetime_ms.store(0, Relaxed);
    let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again", "parallel": 8});
    let report = cloud.run(redrive).await.unwrap();
    assert_eq!((report.listed, report.ok), (500, 500), "{report:?}");
    cloud.check(&report);
}

#[tokio::test]
async fn one_fanout_a_job() {
    let cloud = Cloud::with(slow).await;
    cloud.put_many(200);
    let fields = json!({"chunk_keys": 10, "parallel": 2});
    let second = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cloud.run(fields.clone()).await.unwrap()
    };
    let (first, second) = tokio::join!(cloud.run(fields.clone()), second);
    assert_eq!(second.state, State::Running);
    let first = first.unwrap();
    assert_eq!((first.ok, first.invocations), (200, 20), "{first:?}");
    // The result of a finished one.
    assert_eq!(cloud.run(fields).await.unwrap(), first);
    assert_eq!(cloud.invocations.load(Relaxed), 20);
    cloud.check_all(&first);
}

#[tokio::test]
async fn two_starts_at_the_same_moment_are_one_job() {
    let cloud = Cloud::with(slow).await;
    cloud.put_many(100);
    let fields = json!({"chunk_keys": 10});
    let (a, b) = tokio::join!(cloud.run(fields.clone()), cloud.run(fields));
    let states = [a.unwrap().state, b.unwrap().state];
    assert!(
        states.contains(&State::Completed) && states.contains(&State::Running),
        "{states:?}"
    );
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, cloud.invocations.load(Relaxed)), (100, 10));
    cloud.check_all(&report);
}

#[tokio::test]
async fn the_first_checkpoint_has_the_first_chunks() {
    let cloud = Cloud::start().await;
    cloud.put_many(10);
    cloud.server.faults.set_latency(Latency {
        put: Duration::from_millis(300),
        ..Latency::default()
    });
    let first = async {
        while cloud
            .server
            .store
            .get("photos-out", "jobs/job/checkpoint.json")
            .is_none()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        serde_json::from_str::<Value>(&cloud.text("jobs/job/checkpoint.json")).unwrap()
    };
    let (report, first) = tokio::join!(cloud.run(json!({"chunk_keys": 5})), first);
    let open = first["open"].as_array().unwrap();
    assert_eq!(open.len(), 2, "{first}");
    cloud.check_all(&report.unwrap());
}

#[tokio::test]
async fn who_loses_the_start_writes_nothing() {
    let cloud = Cloud::start().await;
    cloud.put_many(10);
    cloud.run(json!({"job_id": "winner"})).await.unwrap();
    let invocations = cloud.invocations.load(Relaxed);
    let checkpoint = cloud
        .text("jobs/winner/checkpoint.json")
        .replace("\"winner\"", "\"job\"");
    cloud.server.faults.set_latency(Latency {
        list: Duration::from_millis(500),
        ..Latency::default()
    });
    let other = async {
        // The job was looked for and not found, and is being listed.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let object = Object::new(checkpoint.into_bytes().into(), Headers::default());
        cloud
            .server
            .store
            .load("photos-out", "jobs/job/checkpoint.json", object);
    };
    let (report, ()) = tokio::join!(cloud.run(json!({})), other);
    assert_eq!(report.unwrap().ok, 10, "the winner's report");
    assert_eq!(cloud.invocations.load(Relaxed), invocations);
    let written = cloud.server.store.keys("photos-out", "jobs/job/");
    assert_eq!(written, ["jobs/job/checkpoint.json"]);
}

#[tokio::test]
async fn an_invocation_that_lost_its_job_ends_without_a_trace() {
    let cloud = Cloud::with(slow).await;
    cloud.put_many(100);
    let thief = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        // As another invocation would, whose clock is a day ahead.
        let mut checkpoint: Value = serde_json::from_str(&cloud.text("jobs/job/checkpoint.json")).unwrap();
        checkpoint["owner"] = json!("another");
        checkpoint["generation"] = json!(2);
        let object = Object::new(checkpoint.to_string().into_bytes().into(), Headers::default());
        cloud
            .server
            .store
            .load("photos-out", "jobs/job/checkpoint.json", object);
        cloud.text("jobs/job/checkpoint.json")
    };
    let (report, stolen) = tokio::join!(cloud.run(json!({"chunk_keys": 5, "parallel": 2})), thief);
    assert_eq!(report.unwrap().state, State::Running);
    assert_eq!(cloud.text("jobs/job/checkpoint.json"), stolen);
}

#[tokio::test]
async fn a_job_can_be_asked_how_it_is_and_to_stop() {
    let cloud = Cloud::with(slow).await;
    cloud.put_many(1_000);
    let asked = async {
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        let status = cloud.run(json!({"action": "status"})).await.unwrap();
        let stopping = cloud.run(json!({"action": "stop"})).await.unwrap();
        (status, stopping)
    };
    let (report, (status, stopping)) = tokio::join!(cloud.run(json!({"chunk_keys": 10, "parallel": 2})), asked);
    assert_eq!(
        (status.state, status.listed, status.listing_finished),
        (State::Running, 1_000, true)
    );
    assert!(status.ok > 0 && status.seconds_left.unwrap() > 0.5, "{status:?}");
    assert!(stopping.reason.unwrap().contains("asked to stop"));
    let report = report.unwrap();
    assert_eq!(report.state, State::Aborted);
    assert!(report.reason.as_ref().unwrap().contains("stopped"), "{report:?}");
    assert!(report.pending > 100 && report.ok > 0, "{report:?}");
    cloud.check(&report);
    // Both are final.
    for action in ["status", "stop", "run"] {
        assert_eq!(cloud.run(json!({"action": action})).await.unwrap(), report);
    }
}

#[tokio::test]
async fn what_is_asked_of_no_job_is_an_error() {
    let cloud = Cloud::start().await;
    cloud.put_many(1);
    for (request, part) in [
        (json!({"action": "status"}), "no job job below s3://photos-out/"),
        (json!({"action": "stop", "job_id": null}), "job_id: it is missing"),
        (json!({"action": "redrive"}), "parent: it is missing"),
        (json!({"parent": "job"}), "parent: only action redrive takes it"),
        (
            json!({"action": "redrive", "parent": "job", "manifest": "s3://lists/a.csv"}),
            "manifest: a redrive takes its keys from its parent",
        ),
        (json!({"action": "redrive", "parent": "none"}), "no job none below"),
        (
            json!({"continue_job": "none", "destination": "s3://photos-out/", "generation": 2}),
            "unknown field",
        ),
    ] {
        let error = cloud.answer(request.clone()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{request}: {error}");
    }
    cloud.run(json!({})).await.unwrap();
    let error = cloud.run(json!({"source": "s3://photos/2024/"})).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("job job was started for source s3://photos/, manifest none, parent none; ask for the same"),
        "{error}"
    );
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_is_an_error_that_says_why() {
    let cloud = Cloud::start().await;
    cloud.put_many(1);
    for (text, part) in [
        (
            "{\"version\": 2, \"news\": true}",
            "written by another version of fanout (layout 2",
        ),
        ("{\"version\": 1}", "missing field"),
        ("", "EOF"),
    ] {
        let object = Object::new(text.as_bytes().to_vec().into(), Headers::default());
        cloud
            .server
            .store
            .load("photos-out", "jobs/job/checkpoint.json", object);
        for action in ["run", "status", "stop"] {
            let error = cloud.run(json!({"action": action})).await.unwrap_err().to_string();
            assert!(
                error.contains("s3://photos-out/jobs/job/checkpoint.json cannot be read") && error.contains(part),
                "{error}"
            );
        }
    }
    assert_eq!(cloud.invocations.load(Relaxed), 0);
}
