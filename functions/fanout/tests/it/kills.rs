//! fanout killed at random moments, and started again.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use local::lambda::Reply;
use local::s3::{Headers, Object};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::job::{Report, State};
use tokio::time::Instant;

use crate::cloud::{Cloud, Processor};

/// How long one invocation of fanout holds the job.
const LIFETIME: Duration = Duration::from_millis(1_200);

/// A lease ends this long after its invocation.
const CLOCK_SKEW: Duration = Duration::from_millis(1_100);

#[tokio::test]
async fn killed_anywhere_nothing_is_lost_and_nothing_counts_twice() {
    // Side by side: they mostly wait for leases to end.
    let runs = (0..10).map(|seed| tokio::spawn(kill_and_resume(seed)));
    for (seed, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let kills = run.await.unwrap();
        assert!(kills > 0, "seed {seed} killed nothing");
    }
}

/// Runs one job, killing fanout three times; how many of the kills hit it at work.
async fn kill_and_resume(seed: u64) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let cloud = Cloud::with(move |number, processor: Processor| async move {
        let mut random = ChaCha8Rng::seed_from_u64(seed << 32 | number as u64);
        tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        match random.random_range(0..20) {
            0 => Reply::FunctionError(json!({"errorType": "Runtime.ExitError"})),
            1 => Reply::Refused(429, "TooManyRequestsException"),
            2 => {
                processor.run().await;
                Reply::Dropped
            }
            3 => {
                // It answers after fanout has given it up.
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    processor.run().await;
                });
                Reply::Dropped
            }
            _ => processor.run().await,
        }
    })
    .await;
    cloud.put_many(300);
    // One in ten fails.
    cloud.server.faults.deny("GetObject", "7.jpg");
    cloud
        .lifetime_ms
        .store(u64::try_from(LIFETIME.as_millis()).unwrap(), Relaxed);
    let fields = json!({"chunk_keys": 8, "parallel": 4});
    let mut kills = 0;
    for _ in 0..3 {
        let started = Instant::now();
        let until = Duration::from_millis(random.random_range(0..900));
        let killed = tokio::time::timeout(until, cloud.run(fields.clone())).await.is_err();
        if killed {
            kills += 1;
            tokio::time::sleep_until(started + LIFETIME + CLOCK_SKEW).await;
        }
    }
    cloud.run(fields).await.unwrap();
    let report: Report = cloud.until_ended("job").await;
    assert_eq!(report.state, State::Completed, "seed {seed}: {report:?}");
    assert_eq!(
        (report.listed, report.ok, report.failed),
        (300, 270, 30),
        "seed {seed}: {report:?}"
    );
    cloud.check_all(&report);
    kills
}

#[tokio::test]
async fn failed_keys_that_nobody_came_to_count_are_discarded() {
    let cloud = Cloud::with(async |_, processor: Processor| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        processor.run().await
    })
    .await;
    cloud.put_many(40);
    cloud.server.faults.deny("GetObject", "7.jpg");
    cloud.lifetime_ms.store(1_200, Relaxed);
    let fields = json!({"chunk_keys": 4, "parallel": 2});
    let killed = tokio::time::timeout(Duration::from_millis(400), cloud.run(fields.clone())).await;
    assert!(killed.is_err());
    tokio::time::sleep(LIFETIME + CLOCK_SKEW).await;
    // As if the first had written two files and the second, which was to empty them, one of its own; neither
    // was ever counted.
    let mut checkpoint: Value = serde_json::from_str(&cloud.text("jobs/job/checkpoint.json")).unwrap();
    checkpoint["generation"] = json!(2);
    checkpoint["stale"] = json!([{"generation": 1, "from": 1}]);
    let put = |key: &str, text: String| {
        let object = Object::new(text.into_bytes().into(), Headers::default());
        cloud
            .server
            .store
            .load("photos-out", &format!("jobs/job/{key}"), object);
    };
    put("checkpoint.json", checkpoint.to_string());
    for file in ["1-1", "1-2", "2-1"] {
        let line = json!({"key": "00007.jpg", "class": "access_denied", "error": file});
        put(&format!("failed/{file}.ndjson"), format!("{line}\n"));
    }
    cloud.run(fields).await.unwrap();
    let report = cloud.until_ended("job").await;
    assert_eq!((report.ok, report.failed), (36, 4), "{report:?}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_killed_job_that_is_stopped_ends_with_what_was_done() {
    let cloud = Cloud::with(async |_, processor: Processor| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        processor.run().await
    })
    .await;
    cloud.put_many(60);
    cloud.lifetime_ms.store(1_200, Relaxed);
    let killed = cloud.run(json!({"chunk_keys": 4, "parallel": 2}));
    assert!(tokio::time::timeout(Duration::from_millis(400), killed).await.is_err());
    tokio::time::sleep(LIFETIME + CLOCK_SKEW).await;
    let status = cloud.run(json!({"action": "status"})).await.unwrap();
    assert!(
        status.reason.as_ref().unwrap().contains("nobody is at work"),
        "{status:?}"
    );
    let stopped = cloud.run(json!({"action": "stop"})).await.unwrap();
    assert_eq!((stopped.state, stopped.generation), (State::Aborted, 2), "{stopped:?}");
    assert!(stopped.ok > 0 && stopped.pending > 0, "{stopped:?}");
    cloud.check(&stopped);
    cloud.lifetime_ms.store(0, Relaxed);
    let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again"});
    let rest = cloud.run(redrive).await.unwrap();
    assert_eq!(stopped.ok + rest.ok, 60, "{rest:?}");
    cloud.check(&rest);
}
