//! Jobs that take more than one invocation of fanout.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use local::lambda::Reply;
use local::s3::{Effect, Fault};
use local::starts::Start;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};
use tokio::sync::mpsc;

use crate::cloud::{Cloud, Gate, LEASE, Processor, Timeouts, UNTIL_LAST_START, UNTIL_LAST_WAIT};

#[tokio::test]
async fn a_long_job_continues_in_the_next_invocation() {
    let cloud = Cloud::with(async |number, processor: Processor| {
        // Each invocation of fanout has time for about 20 chunks.
        if number % 20 == 0 {
            processor.clock.advance(UNTIL_LAST_START);
        }
        processor.run().await
    })
    .await;
    cloud.put_many(800);
    let first = cloud.run(json!({"chunk_keys": 10, "parallel": 2})).await.unwrap();
    assert_eq!((first.state, first.generation), (State::Running, 1), "{first:?}");
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, report.with_exif), (800, 80), "{report:?}");
    assert!(report.generation > 2, "{report:?}");
    // All 80 chunks were sent once, because fanout waited for the attempts in flight.
    assert_eq!((report.chunks, report.invocations), (80, 80));
    cloud.check_all(&report);
}

#[tokio::test]
async fn an_invocation_that_outlives_fanout_is_given_up_by_the_next() {
    let gate = Gate::closed();
    let (done, mut late) = mpsc::channel(1);
    let cloud = {
        let gate = gate.clone();
        Cloud::with(move |number, processor: Processor| {
            let (gate, done) = (gate.clone(), done.clone());
            async move {
                if number != 2 {
                    return processor.run().await;
                }
                // In a task of its own: when fanout ends, the connection breaks, but the work continues.
                let work = tokio::spawn(async move {
                    gate.pass().await;
                    done.send(processor.run().await).await.unwrap();
                });
                work.await.unwrap();
                Reply::Dropped
            }
        })
        .await
    };
    cloud.put_many(60);
    let time_up = async {
        cloud
            .until(|cloud| cloud.report("job").is_some_and(|report| report.ok == 40))
            .await;
        cloud.clock.advance(UNTIL_LAST_WAIT);
    };
    let (first, ()) = tokio::join!(cloud.run(json!({"chunk_keys": 20, "parallel": 3})), time_up);
    let first = first.unwrap();
    assert_eq!((first.state, first.pending), (State::Running, 20), "{first:?}");
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, report.generation), (60, 2), "{report:?}");
    // The late processor ends, and changes nothing.
    gate.open();
    let Some(Reply::FunctionError(error)) = late.recv().await else {
        panic!("the late processor must fail");
    };
    assert!(error["errorMessage"].as_str().unwrap().contains("given up"), "{error}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_job_whose_next_invocation_cannot_be_started_says_so() {
    let mut cloud = Cloud::start().await;
    cloud.put_many(500);
    let clock = cloud.clock.clone();
    let lambda = local::lambda::Endpoint::start(move |name: String, payload: Value| {
        let clock = clock.clone();
        async move {
            if name == "fanout" {
                clock.advance(Duration::from_secs(5));
                return Reply::Rejected(403, "AccessDeniedException");
            }
            // No time is left for more attempts.
            if payload["attempt"] == "1-2" {
                clock.advance(UNTIL_LAST_START);
            }
            let objects = payload["objects"].as_array().unwrap();
            let unprocessed: Vec<&Value> = objects.iter().map(|object| &object["key"]).collect();
            Reply::Ok(
                json!({"job_id": "job", "chunk": payload["chunk"], "attempt": payload["attempt"], "ok": 0,
                "with_exif": 0, "skipped": 0, "failed": [], "unprocessed": unprocessed, "requests": {}, "throttled": 0,
                "bytes_read": 0, "bytes_written": 0, "elapsed_ms": 0, "cpu_ms": 0, "stages": {}}),
            )
        }
    })
    .await
    .unwrap();
    let sdk = local::s3::sdk(&lambda.url()).await;
    let app = fanout::App {
        // Without a schedule, nothing else would start it.
        config: fanout::Config {
            restarts: None,
            ..cloud.app.config.clone()
        },
        sdk: cloud.app.sdk.clone(),
        lambda: fanout::invoke_client(&sdk).unwrap(),
        scheduler: cloud.app.scheduler.clone(),
        clock: cloud.clock.clone(),
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
    let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again", "parallel": 8});
    let report = cloud.run(redrive).await.unwrap();
    assert_eq!((report.listed, report.ok), (500, 500), "{report:?}");
    cloud.check(&report);
}

/// A cloud whose processor waits at a gate, from invocation `number` on.
async fn with_gate(number: usize) -> (Cloud, Gate) {
    let gate = Gate::closed();
    let at = gate.clone();
    let cloud = Cloud::with(move |current, processor: Processor| {
        let gate = at.clone();
        async move {
            if current >= number {
                gate.pass().await;
            }
            processor.run().await
        }
    })
    .await;
    (cloud, gate)
}

#[tokio::test]
async fn only_one_fanout_works_on_a_job() {
    let (cloud, gate) = with_gate(4).await;
    cloud.put_many(200);
    let fields = json!({"chunk_keys": 10, "parallel": 2});
    let second = async {
        cloud.until(|cloud| cloud.invocations.load(Relaxed) >= 4).await;
        let second = cloud.run(fields.clone()).await.unwrap();
        gate.open();
        second
    };
    let (first, second) = tokio::join!(cloud.run(fields.clone()), second);
    assert_eq!(second.state, State::Running);
    let first = first.unwrap();
    assert_eq!((first.ok, first.invocations), (200, 20), "{first:?}");
    // The response is the report of the finished job.
    assert_eq!(cloud.run(fields).await.unwrap(), first);
    assert_eq!(cloud.invocations.load(Relaxed), 20);
    cloud.check_all(&first);
}

#[tokio::test]
async fn two_starts_at_the_same_moment_are_one_job() {
    let (cloud, gate) = with_gate(1).await;
    cloud.put_many(100);
    let fields = json!({"chunk_keys": 10});
    // The invocation that lost responds first: the other one waits at the gate.
    let start = async || {
        let report = cloud.run(fields.clone()).await.unwrap();
        gate.open();
        report.state
    };
    let (a, b) = tokio::join!(start(), start());
    assert!(
        [a, b].contains(&State::Completed) && [a, b].contains(&State::Running),
        "{a:?} {b:?}"
    );
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, cloud.invocations.load(Relaxed)), (100, 10));
    cloud.check_all(&report);
}

#[tokio::test]
async fn the_first_checkpoint_has_the_first_chunks() {
    let (cloud, gate) = with_gate(1).await;
    cloud.put_many(10);
    let first = async {
        cloud.until(|cloud| cloud.invocations.load(Relaxed) == 2).await;
        let first = cloud.checkpoint("job").unwrap();
        gate.open();
        first
    };
    let (report, first) = tokio::join!(cloud.run(json!({"chunk_keys": 5})), first);
    // The job has one write behind it: the checkpoint itself holds the objects of the first chunks.
    let in_flight = first["in_flight"].as_array().unwrap();
    let objects = |attempt: &Value| attempt["chunk"]["objects"].as_array().map(Vec::len);
    assert_eq!(
        in_flight.iter().filter_map(objects).collect::<Vec<_>>(),
        [5, 5],
        "{first}"
    );
    assert_eq!(cloud.server.store.keys("photos-out", "jobs/job/chunks/"), [""; 0]);
    cloud.check_all(&report.unwrap());
}

#[tokio::test]
async fn an_invocation_that_starts_second_writes_nothing() {
    let timeouts = Timeouts {
        s3: Duration::from_secs(1),
        ..Timeouts::default()
    };
    let cloud = Cloud::with_timeouts(timeouts, async |_, processor: Processor| processor.run().await).await;
    cloud.put_many(10);
    cloud.run(json!({"job_id": "winner"})).await.unwrap();
    let invocations = cloud.invocations.load(Relaxed);
    let checkpoint = cloud
        .text("jobs/winner/checkpoint.json")
        .replace("\"winner\"", "\"job\"");
    let lists = |cloud: &Cloud| cloud.server.served.totals().requests.list;
    let before = lists(&cloud);
    cloud.server.faults.add(Fault {
        operation: "ListObjectsV2",
        key_contains: String::new(),
        effect: Effect::Hang,
        after: 0,
        times: usize::MAX,
    });
    let other = async {
        // fanout is listing the source. Its checkpoint comes too late.
        cloud.until(|cloud| lists(cloud) > before).await;
        cloud.put_out("jobs/job/checkpoint.json", checkpoint);
        cloud.server.faults.clear();
    };
    let (report, ()) = tokio::join!(cloud.run(json!({})), other);
    assert_eq!(report.unwrap().ok, 10, "the winner's report");
    assert_eq!(cloud.invocations.load(Relaxed), invocations);
    let written = cloud.server.store.keys("photos-out", "jobs/job/");
    assert_eq!(
        written,
        ["jobs/job/checkpoint.json", "jobs/job/job.json", "jobs/job/report.html"],
        "the winner's report"
    );
}

#[tokio::test]
async fn an_invocation_that_lost_its_job_writes_nothing() {
    let (cloud, gate) = with_gate(5).await;
    cloud.put_many(100);
    let thief = async {
        cloud.until(|cloud| cloud.invocations.load(Relaxed) >= 5).await;
        // Does what another invocation would do.
        let mut checkpoint = cloud.checkpoint("job").unwrap();
        checkpoint["owner"] = json!("another");
        checkpoint["generation"] = json!(2);
        cloud.put_out("jobs/job/checkpoint.json", checkpoint.to_string());
        gate.open();
        cloud.text("jobs/job/checkpoint.json")
    };
    let (report, stolen) = tokio::join!(cloud.run(json!({"chunk_keys": 5, "parallel": 2})), thief);
    assert_eq!(report.unwrap().state, State::Running);
    assert_eq!(cloud.text("jobs/job/checkpoint.json"), stolen);
}

#[tokio::test]
async fn an_owner_that_was_paused_past_its_lease_sends_nothing() {
    let (cloud, gate) = with_gate(5).await;
    cloud.put_many(400);
    let fields = json!({"chunk_keys": 10, "parallel": 2});
    let mut paused = Box::pin(cloud.run(fields.clone()));
    // Two attempts are in flight, and one is written ahead.
    let is_ahead = |cloud: &Cloud| {
        let checkpoint = cloud.checkpoint("job");
        let in_flight = checkpoint.and_then(|checkpoint| checkpoint["in_flight"].as_array().map(Vec::len));
        cloud.invocations.load(Relaxed) == 6 && in_flight == Some(3)
    };
    tokio::select! {
        report = &mut paused => panic!("it waits at the gate: {report:?}"),
        () = cloud.until(is_ahead) => {}
    }
    // From here on, nobody polls it.
    cloud.server.until_idle().await;
    cloud.clock.advance(LEASE);
    gate.open();
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.generation), (400, 2), "{report:?}");
    let (invocations, files) = (
        cloud.invocations.load(Relaxed),
        cloud.server.store.keys("photos-out", ""),
    );
    assert_eq!(paused.await.unwrap(), report);
    assert_eq!(cloud.invocations.load(Relaxed), invocations);
    assert_eq!(cloud.server.store.keys("photos-out", ""), files);
    cloud.check_all(&report);
}

#[tokio::test]
async fn five_takeovers_without_an_outcome_end_a_job() {
    let cloud = Cloud::with(async |_, _| std::future::pending().await).await;
    cloud.put_many(10);
    let next = json!({"continue_job": "job", "destination": "s3://photos-out/"});
    assert!(
        cloud
            .kill_when(json!({}), |cloud| cloud.invocations.load(Relaxed) == 1)
            .await
    );
    for death in 2..=6 {
        cloud.server.until_idle().await;
        cloud.clock.advance(LEASE);
        let start = Start::new("again", next.clone());
        let killed = cloud.kill_start_when(&start, |cloud| cloud.invocations.load(Relaxed) == death);
        assert!(killed.await, "death {death}");
    }
    cloud.server.until_idle().await;
    cloud.clock.advance(LEASE);
    assert!(!cloud.kill_start_when(&Start::new("last", next), |_| false).await);
    let report = cloud.report("job").unwrap();
    assert_eq!((report.state, report.pending), (State::Aborted, 10), "{report:?}");
    let reason = report.reason.as_ref().unwrap();
    assert!(reason.contains("ended without a new outcome"), "{reason}");
    cloud.check(&report);
}

#[tokio::test]
async fn a_schedule_continues_what_could_not_be_handed_over() {
    let cloud = Cloud::with(async |number, processor: Processor| {
        if number == 2 {
            processor.clock.advance(UNTIL_LAST_START);
        }
        processor.run().await
    })
    .await;
    cloud.put_many(200);
    cloud.refuse_to_continue(true);
    let error = cloud.run(json!({"chunk_keys": 10, "parallel": 1})).await.unwrap_err();
    assert!(
        error.to_string().contains("next invocation could not be started"),
        "{error}"
    );
    assert_eq!(cloud.report("job").unwrap().state, State::Running);
    cloud.refuse_to_continue(false);
    let start = cloud.scheduler.take_next().unwrap();
    let event = serde_json::from_str(&start.input).unwrap();
    cloud.kill_start_when(&Start::new("scheduled", event), |_| false).await;
    let report = cloud.until_ended("job").await;
    assert_eq!(
        (report.state, report.ok, report.generation),
        (State::Completed, 200, 2),
        "{report:?}"
    );
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_job_has_a_status_and_can_be_stopped() {
    let (cloud, gate) = with_gate(21).await;
    cloud.put_many(1_000);
    let asked = async {
        let is_counted = |cloud: &Cloud| cloud.report("job").is_some_and(|report| report.ok == 200);
        cloud.until(is_counted).await;
        let status = cloud.run(json!({"action": "status"})).await.unwrap();
        let stopping = cloud.run(json!({"action": "stop"})).await.unwrap();
        let stopped = cloud.run(json!({"action": "status"})).await.unwrap();
        gate.open();
        (status, stopping, stopped)
    };
    let (report, (status, stopping, stopped)) =
        tokio::join!(cloud.run(json!({"chunk_keys": 10, "parallel": 2})), asked);
    assert_eq!(
        (status.state, status.listed, status.listing_finished),
        (State::Running, 1_000, true)
    );
    assert!(status.ok > 0 && status.seconds_left.unwrap() > 0.0, "{status:?}");
    for report in [stopping, stopped] {
        assert!(report.reason.unwrap().contains("asked to stop"));
    }
    let report = report.unwrap();
    assert_eq!(report.state, State::Aborted);
    assert!(report.reason.as_ref().unwrap().contains("stopped"), "{report:?}");
    assert!(report.pending > 100 && report.ok > 0, "{report:?}");
    cloud.check(&report);
    // The report does not change any more.
    for action in ["status", "stop", "run"] {
        let again = cloud.run(json!({"action": action})).await.unwrap();
        let note = again.note.clone();
        assert_eq!(Report { note: None, ..again }, report);
        // The last request leaves settings out that the job had.
        let differs = note.is_some_and(|note| note.contains("chunk_keys is 10, not the default, parallel is 2, not"));
        assert_eq!(differs, action == "run");
    }
}

#[tokio::test]
async fn a_request_about_a_missing_job_is_an_error() {
    let cloud = Cloud::start().await;
    cloud.put_many(1);
    for (request, part) in [
        (json!({"action": "status"}), "no job job in s3://photos-out/"),
        (json!({"action": "stop", "job_id": null}), "job_id: it is missing"),
        (json!({"action": "redrive"}), "parent: it is missing"),
        (json!({"parent": "job"}), "parent: only a redrive takes it"),
        (
            json!({"action": "redrive", "parent": "job", "manifest": "s3://lists/a.csv"}),
            "manifest: a redrive takes its keys from its parent",
        ),
        (json!({"action": "redrive", "parent": "none"}), "no job none in"),
        (
            json!({"continue_job": "none", "destination": "s3://photos-out/", "generation": 2}),
            "unknown field",
        ),
    ] {
        let error = cloud.response(request.clone()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{request}: {error}");
    }
    cloud.run(json!({})).await.unwrap();
    let error = cloud.run(json!({"source": "s3://photos/2024/"})).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("job job was started for source s3://photos/, manifest none, parent none; give the same"),
        "{error}"
    );
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_is_an_error_that_says_why() {
    let cloud = Cloud::start().await;
    cloud.put_many(1);
    for (text, part) in [
        (
            "{\"version\": 4, \"news\": true}",
            "written by another version of fanout (layout 4",
        ),
        ("{\"version\": 1}", "missing field"),
        ("", "EOF"),
    ] {
        cloud.put_out("jobs/job/checkpoint.json", text);
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
