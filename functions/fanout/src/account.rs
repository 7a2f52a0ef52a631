//! The job's counters. Every key is listed once and leaves `pending` once.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use bytes::Bytes;
use shared::chunk::{FailedKey, Usage};
use shared::failure::{Class, Failure};
use shared::job::{Report, State};
use shared::s3::{self, Meter, Requests, Written};
use tokio::time::Instant;

use crate::invoke::Settled;
use crate::plan::Planned;
use crate::request::Job;

const JSON: &str = "application/json";

/// Failed keys go to a file of their own when there are this many, so that they need little memory.
const FAILED_KEYS_A_FILE: usize = 1_000;

/// Before a share of failures says anything, this many images must be done.
const FAIR_SAMPLE: u64 = 500;

pub struct Account<'a> {
    job: &'a Job,
    meter: Meter,
    started: Instant,
    pub generation: u32,
    listed: u64,
    ignored: u64,
    skipped: u64,
    ok: u64,
    with_exif: u64,
    failures: BTreeMap<Class, u64>,
    pub chunks: u64,
    pub invocations: u64,
    /// Invocations that Lambda had no room for.
    pub invocations_throttled: u64,
    bytes_listed: u64,
    /// Of all processors.
    usage: Usage,
    /// Not yet in a file.
    failed_keys: Vec<FailedKey>,
    failed_files: u32,
}

impl<'a> Account<'a> {
    pub fn new(job: &'a Job, meter: Meter, generation: u32) -> Self {
        Self {
            job,
            meter,
            started: Instant::now(),
            generation,
            listed: 0,
            ignored: 0,
            skipped: 0,
            ok: 0,
            with_exif: 0,
            failures: BTreeMap::new(),
            chunks: 0,
            invocations: 0,
            invocations_throttled: 0,
            bytes_listed: 0,
            usage: Usage::default(),
            failed_keys: Vec::new(),
            failed_files: 0,
        }
    }

    pub fn plan(&mut self, planned: &Planned) {
        self.listed += planned.listed;
        self.ignored += planned.ignored;
        self.bytes_listed += planned.bytes;
    }

    pub fn settle(&mut self, settled: Settled) {
        self.ok += settled.ok;
        self.with_exif += settled.with_exif;
        self.skipped += settled.skipped;
        for failed in settled.failed {
            *self.failures.entry(failed.class).or_default() += 1;
            self.failed_keys.push(failed);
        }
        if let Some(usage) = settled.usage {
            self.usage.merge(&usage);
        }
    }

    fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub fn pending(&self) -> u64 {
        self.listed - self.ignored - self.skipped - self.ok - self.failed()
    }

    /// Whether more images failed than the job puts up with.
    pub fn too_many_failed(&self) -> bool {
        let done = self.ok + self.failed();
        done >= FAIR_SAMPLE && self.failed() as f64 * 100.0 > self.job.max_failed_percent * done as f64
    }

    pub fn report(&self, state: State, reason: Option<String>) -> Report {
        let elapsed = self.started.elapsed();
        let done = self.ok + self.failed();
        let mut requests = self.meter.requests();
        requests += self.usage.requests;
        requests += Requests {
            invoke: self.invocations,
            ..Requests::default()
        };
        Report {
            job_id: self.job.id.clone(),
            state,
            reason,
            generation: self.generation,
            source: self.job.source.clone(),
            destination: self.job.destination.uri(),
            listed: self.listed,
            ignored: self.ignored,
            skipped: self.skipped,
            ok: self.ok,
            with_exif: self.with_exif,
            failed: self.failed(),
            pending: self.pending(),
            failures: self.failures.clone(),
            chunks: self.chunks,
            invocations: self.invocations,
            requests,
            throttled: self.meter.throttled() + self.usage.throttled + self.invocations_throttled,
            bytes_listed: self.bytes_listed,
            bytes_read: self.usage.bytes_read,
            bytes_written: self.usage.bytes_written,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            images_per_second: ratio(done as f64, elapsed.as_secs_f64()),
            cpu_ms_per_image: ratio(self.usage.cpu_ms as f64, done as f64),
            stages: self.usage.stages.summary(),
        }
    }

    /// Writes the first `job.json`, unless the job has one.
    pub async fn create(&self, s3: &Client) -> Result<Written, Failure> {
        let destination = &self.job.destination;
        let body = json(&self.report(State::Running, None));
        s3::create(s3, &destination.bucket, &destination.job(&self.job.id), JSON, body).await
    }

    /// Replaces `job.json`. Failed keys go to their files first: some wait in memory while the job runs,
    /// none once it has ended.
    pub async fn save(&mut self, s3: &Client, report: &Report) -> Result<(), Failure> {
        let last = report.state != State::Running;
        if self.failed_keys.len() >= FAILED_KEYS_A_FILE || (last && !self.failed_keys.is_empty()) {
            self.save_failed_keys(s3).await?;
        }
        let destination = &self.job.destination;
        s3::put(
            s3,
            &destination.bucket,
            &destination.job(&self.job.id),
            JSON,
            json(report),
        )
        .await
    }

    async fn save_failed_keys(&mut self, s3: &Client) -> Result<(), Failure> {
        let mut lines = Vec::new();
        for failed in &self.failed_keys {
            serde_json::to_writer(&mut lines, failed).expect("a failed key is valid JSON");
            lines.push(b'\n');
        }
        let destination = &self.job.destination;
        let key = destination.failed(&self.job.id, self.generation, self.failed_files + 1);
        s3::put(s3, &destination.bucket, &key, s3::NDJSON, lines.into()).await?;
        self.failed_files += 1;
        self.failed_keys.clear();
        Ok(())
    }
}

fn json(report: &Report) -> Bytes {
    serde_json::to_vec_pretty(report)
        .expect("a report is valid JSON")
        .into()
}

/// With three decimals; 0 where nothing was measured.
fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 {
        (of / to * 1000.0).round() / 1000.0
    } else {
        0.0
    }
}
