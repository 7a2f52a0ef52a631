//! Jobs whose fanout is killed at random moments, and started again.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, UNIX_EPOCH};

use local::lambda::Reply;
use local::starts::{Start, Starts};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};

use crate::cloud::{Cloud, LEASE, Processor, invocation};

#[tokio::test]
async fn after_kills_no_key_is_lost_or_counted_twice() {
    // All at the same time, because they mostly wait between retries.
    let runs = (0..10).map(|seed| tokio::spawn(kill_and_resume(seed)));
    for (seed, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let kills = run.await.unwrap();
        assert!(kills > 0, "seed {seed} killed nothing");
    }
}

/// A cloud with faults of Lambda, in which one image in ten fails.
async fn troubled(seed: u64, images: usize) -> Cloud {
    let cloud = Cloud::with(move |number, processor: Processor| async move {
        let mut random = ChaCha8Rng::seed_from_u64(seed << 32 | number as u64);
        match random.random_range(0..20) {
            0 => Reply::FunctionError(json!({"errorType": "Runtime.ExitError"})),
            1 => Reply::Rejected(429, "TooManyRequestsException"),
            2 => {
                processor.run().await;
                Reply::Dropped
            }
            3 => {
                // The processor works after fanout has given the attempt up.
                tokio::spawn(async move {
                    processor.until_given_up().await;
                    processor.run().await;
                });
                Reply::Dropped
            }
            _ => processor.run().await,
        }
    })
    .await;
    cloud.put_many(images);
    cloud.server.faults.deny("GetObject", "7.jpg");
    cloud
}

fn check_troubled(cloud: &Cloud, seed: u64, images: u64, report: &Report) {
    assert_eq!(report.state, State::Completed, "seed {seed}: {report:?}");
    assert_eq!(
        (report.listed, report.ok, report.failed),
        (images, images / 10 * 9, images / 10),
        "seed {seed}: {report:?}"
    );
    cloud.check_all(report);
}

/// Runs one job, and kills fanout up to three times. Returns the number of kills before the job ended.
async fn kill_and_resume(seed: u64) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let cloud = troubled(seed, 300).await;
    let fields = json!({"chunk_keys": 8, "parallel": 4});
    let mut kills = 0;
    for _ in 0..3 {
        // The whole job takes about 750 requests.
        let moment = cloud.requests() + random.random_range(0..350);
        if cloud
            .kill_when(fields.clone(), |cloud| cloud.requests() >= moment)
            .await
        {
            kills += 1;
            cloud.server.until_idle().await;
            cloud.clock.advance(LEASE);
        }
    }
    let mut report = cloud.run(fields.clone()).await.unwrap();
    // The last write of a killed invocation may arrive late.
    while report.state == State::Running {
        cloud.clock.advance(LEASE);
        report = cloud.run(fields.clone()).await.unwrap();
    }
    check_troubled(&cloud, seed, 300, &report);
    kills
}

#[tokio::test]
async fn a_killed_job_goes_on_by_itself() {
    let runs = (100..120).map(|seed| tokio::spawn(kill_and_wait(seed)));
    for (seed, run) in (100..).zip(runs.collect::<Vec<_>>()) {
        let kills = run.await.unwrap();
        assert!(kills > 0, "seed {seed} killed nothing");
    }
}

/// How often Lambda retries fanout, as the template says.
pub const MAX_RETRIES: usize = 2;

/// How long nobody works on a job, on the clock of the cloud. The time that the test itself takes counts for nothing.
struct Standstill {
    started: Instant,
    since: Option<Duration>,
}

impl Standstill {
    fn now(&self, cloud: &Cloud) -> Duration {
        cloud.clock.since_epoch().saturating_sub(self.started.elapsed())
    }

    /// Fanout was killed, perhaps before it took the job over.
    fn begin(&mut self, cloud: &Cloud) {
        self.since = Some(self.now(cloud));
    }

    /// The last write of a killed invocation may arrive late. The job stands still only after it.
    fn look(&mut self, cloud: &Cloud) {
        let checkpoint = cloud.server.store.get("photos-out", "jobs/job/checkpoint.json");
        if let Some((since, checkpoint)) = self.since.as_mut().zip(checkpoint) {
            let written = checkpoint.last_modified.duration_since(UNIX_EPOCH).unwrap();
            *since = (*since).max(written.saturating_sub(self.started.elapsed()));
        }
    }

    fn end(&mut self, cloud: &Cloud) -> Duration {
        let since = self.since.take();
        since.map_or(Duration::ZERO, |since| self.now(cloud).saturating_sub(since))
    }
}

/// The same, but only Lambda's retries and the schedule of the job start fanout again, and some of their starts come
/// twice.
async fn kill_and_wait(seed: u64) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let cloud = troubled(seed, 100).await;
    let mut starts = Starts::new(cloud.scheduler.clone(), MAX_RETRIES);
    let request = json!({"source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "job", "chunk_keys": 8,
        "parallel": 4});
    let mut start = Start::new("request-1", request);
    let generation = |cloud: &Cloud| {
        cloud
            .checkpoint("job")
            .map_or(0, |job| job["generation"].as_u64().unwrap())
    };
    let mut standstill = Standstill {
        started: Instant::now(),
        since: None,
    };
    let (mut kills, mut is_again) = (0, false);
    loop {
        let before = generation(&cloud);
        let more = if kills < 3 {
            random.random_range(0..120)
        } else {
            u64::MAX / 2
        };
        let moment = cloud.requests() + more;
        let killed = cloud.kill_start_when(&start, |cloud| cloud.requests() >= moment).await;
        // A killed process sends nothing more. What it has sent arrives before the clock goes on.
        cloud.server.until_idle().await;
        if generation(&cloud) > before {
            let time = standstill.end(&cloud);
            assert!(
                time <= Duration::from_mins(3),
                "seed {seed}: nobody went on for {time:?}"
            );
        }
        let now = cloud.clock.since_epoch();
        if killed {
            kills += 1;
            starts.died(&start, now);
            standstill.begin(&cloud);
        }
        if cloud.report("job").is_some_and(|report| report.state != State::Running) {
            break;
        }
        // One start in four comes twice.
        is_again = !is_again && random.random_range(0..4) == 0;
        if !is_again {
            let at;
            (at, start) = starts.take_next().unwrap().expect("something starts the job again");
            // A start of the schedule may come up to a minute late.
            let late = Duration::from_secs(random.random_range(0..60));
            cloud.clock.advance(at.saturating_sub(now) + late);
        }
        standstill.look(&cloud);
    }
    // Starts that are still to come change nothing, and delete a schedule that is left.
    while let Some((at, start)) = starts.take_next().unwrap() {
        cloud.clock.advance(at.saturating_sub(cloud.clock.since_epoch()));
        cloud.kill_start_when(&start, |_| false).await;
    }
    check_troubled(&cloud, seed, 100, &cloud.report("job").unwrap());
    kills
}

/// A cloud in which the fifth and the sixth invocation of the processor hang.
async fn hangs_from_the_fifth() -> Cloud {
    Cloud::with(async |number, processor: Processor| {
        if (5..=6).contains(&number) {
            std::future::pending::<()>().await;
        }
        processor.run().await
    })
    .await
}

/// Kills fanout when only invocations that hang are in flight, and four chunks are counted in the checkpoint.
async fn kill_while_it_hangs(cloud: &Cloud, fields: Value) {
    let counted = |cloud: &Cloud| {
        let checkpoint = cloud.checkpoint("job");
        checkpoint.is_some_and(|checkpoint| checkpoint["counters"]["invocations"] == 4)
    };
    let killed = cloud
        .kill_when(fields, |cloud| cloud.invocations.load(Relaxed) == 6 && counted(cloud))
        .await;
    assert!(killed);
    cloud.clock.advance(LEASE);
}

#[tokio::test]
async fn uncounted_files_of_failed_keys_are_emptied() {
    let cloud = hangs_from_the_fifth().await;
    cloud.put_many(40);
    cloud.server.faults.deny("GetObject", "7.jpg");
    let fields = json!({"chunk_keys": 4, "parallel": 2});
    kill_while_it_hangs(&cloud, fields.clone()).await;
    // As if the first invocation had written two files, and the second one had written one and had not emptied those of
    // the first. None of them was counted.
    let mut checkpoint = cloud.checkpoint("job").unwrap();
    checkpoint["generation"] = json!(2);
    checkpoint["uncounted_failures"] = json!([{"generation": 1, "from": 1}]);
    cloud.put_out("jobs/job/checkpoint.json", checkpoint.to_string());
    for file in ["1-1", "1-2", "2-1"] {
        let line = json!({"key": "00007.jpg", "class": "access_denied", "error": file});
        cloud.put_out(&format!("jobs/job/failed/{file}.ndjson"), format!("{line}\n"));
    }
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.failed), (36, 4), "{report:?}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn stop_ends_a_killed_job_with_what_was_done() {
    let cloud = hangs_from_the_fifth().await;
    cloud.put_many(60);
    kill_while_it_hangs(&cloud, json!({"chunk_keys": 4, "parallel": 2})).await;
    let status = cloud.run(json!({"action": "status"})).await.unwrap();
    assert!(
        status
            .reason
            .as_ref()
            .unwrap()
            .contains("no invocation works on the job"),
        "{status:?}"
    );
    let stopped = cloud.run(json!({"action": "stop"})).await.unwrap();
    assert_eq!((stopped.state, stopped.generation), (State::Aborted, 2), "{stopped:?}");
    assert_eq!((stopped.ok, stopped.pending), (16, 44), "{stopped:?}");
    cloud.check(&stopped);
    let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again"});
    let rest = cloud.run(redrive).await.unwrap();
    assert_eq!(stopped.ok + rest.ok, 60, "{rest:?}");
    cloud.check(&rest);
}

/// `checkpoints/v1.json` and `v2.json` are the checkpoint of an invocation of an older version, in layouts 1 and 2. It
/// was killed when it took the job over: it had given up no attempts and emptied no files.
#[tokio::test]
async fn running_jobs_of_older_versions_complete() {
    for checkpoint in [
        include_str!("../checkpoints/v1.json"),
        include_str!("../checkpoints/v2.json"),
    ] {
        complete(checkpoint).await;
    }
}

async fn complete(checkpoint: &str) {
    let cloud = Cloud::start().await;
    cloud.put_many(30);
    cloud.server.faults.deny("GetObject", "00001.jpg");
    cloud.put_out("jobs/job/checkpoint.json", checkpoint);
    let failed =
        |key: u32| json!({"key": format!("{key:05}.jpg"), "class": "timeout", "error": "x"}).to_string() + "\n";
    // A list of the parent that is not read yet, and a file that was not counted.
    cloud.put_out(
        "jobs/parent/failed/1-3.ndjson",
        (20..25).map(failed).collect::<String>(),
    );
    cloud.put_out("jobs/job/failed/1-1.ndjson", failed(1));
    let record = |key: u32| {
        json!({"key": format!("{key:05}.jpg"), "exif": key.is_multiple_of(10).then_some("x")}).to_string() + "\n"
    };
    // The records of the counted keys. One of the two attempts in flight has committed half of its keys.
    for (file, keys) in [
        ("0-1-1", vec![0]),
        ("1-1-2", vec![2, 3]),
        ("2-1-3", vec![4, 5]),
        ("5-1-6", vec![10, 11]),
        ("4-1-5", vec![8]),
    ] {
        let records: String = keys.into_iter().map(record).collect();
        cloud.put_out(&format!("records/job=job/{file}.ndjson"), records);
    }
    let next = json!({"continue_job": "job", "destination": "s3://photos-out/", "generation": 3});
    let fanout::Response::Report(report) = fanout::handle(&cloud.app, next, &invocation("next")).await.unwrap() else {
        panic!("the response should be a report");
    };
    assert_eq!((report.state, report.generation), (State::Completed, 3), "{report:?}");
    assert_eq!(
        (report.listed, report.ok, report.with_exif, report.failed),
        (30, 29, 3, 1),
        "{report:?}"
    );
    cloud.check_all(&report);
}
