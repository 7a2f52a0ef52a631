use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use local::lambda::Reply;
use local::s3::{Headers, Object, Server};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};
use tokio::time::sleep;

use super::Options;
use crate::processors::Processors;

/// Processes of the processor for each job.
pub const PROCESSORS: usize = 3;

/// The source of a job. One image in a hundred fails.
pub async fn source(options: &Options, photos: &[Vec<u8>]) -> anyhow::Result<Server> {
    let server = Server::start(0).await?;
    server.store.create_bucket("photos-out");
    for index in 0..options.images {
        let object = Object::new(photos[index % photos.len()].clone().into(), Headers::default());
        server.store.load("photos", &key(index), object);
    }
    server.faults.deny("GetObject", "77.jpg");
    Ok(server)
}

pub fn request() -> Value {
    json!({
        "source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "job", "chunk_keys": 20, "parallel": 6,
    })
}

fn key(index: usize) -> String {
    format!("album/{index:05}.jpg")
}

/// Acts as Lambda for one invocation of the processor: runs it, or fails in a random way.
pub async fn process(seed: u64, number: usize, processors: &Arc<Processors>, payload: Value) -> Reply {
    let mut random = ChaCha8Rng::seed_from_u64(seed << 32 | number as u64);
    sleep(Duration::from_millis(random.random_range(0..300))).await;
    match random.random_range(0..30) {
        0 => Reply::FunctionError(json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"})),
        1 => Reply::Rejected(429, "TooManyRequestsException"),
        2 => Reply::Rejected(503, "ServiceException"),
        3 => {
            processors.run(&format!("chunk-{number}"), payload).await;
            Reply::Dropped
        }
        4 => {
            // The processor works late, after fanout has given the attempt up.
            let processors = processors.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(1)).await;
                processors.run(&format!("chunk-{number}"), payload).await;
            });
            Reply::Dropped
        }
        _ => processors.run(&format!("chunk-{number}"), payload).await,
    }
}

/// The generation that works on the job.
pub fn generation(server: &Server) -> u64 {
    let file = server.store.get("photos-out", "jobs/job/checkpoint.json");
    let checkpoint = file.and_then(|file| serde_json::from_slice::<Value>(&file.body.bytes()).ok());
    checkpoint
        .and_then(|checkpoint| checkpoint["generation"].as_u64())
        .unwrap_or_default()
}

pub fn report(server: &Server) -> Option<Report> {
    let file = server.store.get("photos-out", "jobs/job/job.json")?;
    serde_json::from_slice(&file.body.bytes()).ok()
}

pub async fn until_ended(server: &Server) -> anyhow::Result<Report> {
    for _ in 0..6_000 {
        if let Some(report) = report(server).filter(|report| report.state != State::Running) {
            return Ok(report);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the job did not end within ten minutes: {:?}", report(server))
}

/// Checks that each key has one record or is reported as failed once, and that the report has the same counts.
pub fn check(server: &Server, report: &Report, images: usize) -> anyhow::Result<()> {
    ensure!(report.state == State::Completed, "{report:?}");
    ensure!(report.listed == images as u64 && report.pending == 0, "{report:?}");
    ensure!(
        report.listed == report.ignored + report.skipped + report.ok + report.failed,
        "{report:?}"
    );
    let records = keys(server, "records/job=job/")?;
    let failed = keys(server, "jobs/job/failed/")?;
    ensure!(
        records.len() as u64 == report.ok,
        "{} keys have records, but the report says {report:?}",
        records.len()
    );
    ensure!(
        failed.len() as u64 == report.failed,
        "the files have {} failed keys, but the report says {report:?}",
        failed.len()
    );
    for index in 0..images {
        let key = key(index);
        let times = (
            records.get(&key).copied().unwrap_or(0),
            failed.get(&key).copied().unwrap_or(0),
        );
        let expected = if key.contains("77.jpg") { (0, 1) } else { (1, 0) };
        ensure!(
            times == expected,
            "{key} has {} records and failed {} times; expected {} and {}",
            times.0,
            times.1,
            expected.0,
            expected.1
        );
    }
    Ok(())
}

/// Counts how often each key occurs in the files below a prefix.
fn keys(server: &Server, prefix: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for file in server.store.keys("photos-out", prefix) {
        let body = server
            .store
            .get("photos-out", &file)
            .context("a listed object is missing")?;
        let bytes = body.body.bytes();
        for line in std::str::from_utf8(&bytes)?.lines().filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_str(line)?;
            *found
                .entry(line["key"].as_str().context("a line has no key")?.to_owned())
                .or_default() += 1;
        }
    }
    Ok(found)
}
