//! The job's counters. Every key is listed once and leaves `pending` once.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::bound::{Evidence, FanOut, Reading};
use shared::chunk::{ChunkResponse, FailedKey, ObjectRef, Usage};
use shared::failure::Class;
use shared::job::{Report, State};
use shared::s3::Requests;

use crate::checkpoint::Checkpoint;
use crate::plan::Planned;
use crate::request::Job;

/// Before a share of failures says anything, this many images must be done.
const FAIR_SAMPLE: u64 = 500;

/// Failed keys go to a file of their own when there are this many, so that they need little memory.
const FAILED_KEYS_A_FILE: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    pub listed: u64,
    pub ignored: u64,
    pub skipped: u64,
    pub ok: u64,
    pub with_exif: u64,
    pub failures: BTreeMap<Class, u64>,
    /// Chunks made, so also the number of the next one.
    pub chunks: u64,
    pub invocations: u64,
    /// Attempts that Lambda had no room for.
    pub invocations_throttled: u64,
    pub bytes_listed: u64,
    /// Of all processors.
    pub usage: Usage,
    /// Of fanout itself, in all invocations.
    pub requests: Requests,
    pub throttled: u64,
    pub elapsed_ms: u64,
    /// Files of failed keys that this generation has written.
    pub failed_files: u32,
    /// Those in none of the files yet.
    pub failed_keys: Vec<FailedKey>,
}

impl Counters {
    pub fn plan(&mut self, planned: &Planned) {
        self.listed += planned.listed;
        self.ignored += planned.ignored;
        self.skipped += planned.skipped;
        self.bytes_listed += planned.bytes;
    }

    /// Takes a processor's answer, all but what it gives back unprocessed.
    pub fn settle(&mut self, response: ChunkResponse) {
        self.ok += response.ok;
        self.with_exif += response.with_exif;
        self.skipped += response.skipped;
        self.usage.merge(&response.usage);
        for failed in response.failed {
            self.count_failed(failed);
        }
    }

    pub fn fail(&mut self, objects: &[ObjectRef], class: Class, error: &str) {
        for object in objects {
            self.count_failed(FailedKey::new(object.key.clone(), class, error));
        }
    }

    fn count_failed(&mut self, failed: FailedKey) {
        *self.failures.entry(failed.class).or_default() += 1;
        self.failed_keys.push(failed);
    }

    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn done(&self) -> u64 {
        self.ok + self.failed()
    }

    pub fn pending(&self) -> u64 {
        self.listed - self.ignored - self.skipped - self.done()
    }

    /// Whether more images failed than the job puts up with.
    pub fn too_many_failed(&self, job: &Job) -> bool {
        let done = self.done();
        done >= FAIR_SAMPLE && self.failed() as f64 * 100.0 > job.max_failed_percent * done as f64
    }

    /// Why every other image would fail as all have so far, if that is how it looks.
    pub fn all_denied(&self) -> Option<String> {
        let denied = self.failures.get(&Class::AccessDenied).copied().unwrap_or_default();
        let last = self.failed_keys.last();
        (denied >= FAIR_SAMPLE && denied == self.done()).then(|| {
            let error = last.map(|failed| failed.error.as_str()).unwrap_or_default();
            format!("each of the first {denied} images failed with access_denied: {error}")
        })
    }

    /// Takes the failed keys for a file of their own, when there are many of them or no more will come.
    pub fn failed_file(&mut self, last: bool) -> Option<(u32, Bytes)> {
        if self.failed_keys.is_empty() || (self.failed_keys.len() < FAILED_KEYS_A_FILE && !last) {
            return None;
        }
        let mut lines = Vec::new();
        for failed in self.failed_keys.drain(..) {
            serde_json::to_writer(&mut lines, &failed).expect("a failed key is valid JSON");
            lines.push(b'\n');
        }
        self.failed_files += 1;
        Some((self.failed_files, lines.into()))
    }
}

impl Checkpoint {
    /// What `job.json` says.
    pub fn report(&self) -> Report {
        let counters = &self.counters;
        let elapsed = Duration::from_millis(counters.elapsed_ms);
        let images_per_second = ratio(counters.done() as f64, elapsed.as_secs_f64());
        let mut requests = counters.requests;
        requests += counters.usage.requests;
        requests += Requests {
            invoke: counters.invocations,
            ..Requests::default()
        };
        let listing_finished = self.cursors.is_empty();
        let seconds_left = (self.state == State::Running && listing_finished && images_per_second > 0.0)
            .then(|| ratio(counters.pending() as f64, images_per_second));
        Report {
            job_id: self.job_id.clone(),
            parent: self.request.parent.clone(),
            state: self.state,
            reason: self.reason.clone(),
            generation: self.generation,
            source: self.source.clone(),
            destination: self.destination.clone(),
            listing_finished,
            seconds_left,
            listed: counters.listed,
            ignored: counters.ignored,
            skipped: counters.skipped,
            ok: counters.ok,
            with_exif: counters.with_exif,
            failed: counters.failed(),
            pending: counters.pending(),
            failures: counters.failures.clone(),
            chunks: counters.chunks,
            invocations: counters.invocations,
            requests,
            throttled: counters.throttled + counters.usage.throttled + counters.invocations_throttled,
            bytes_listed: counters.bytes_listed,
            bytes_read: counters.usage.bytes_read,
            bytes_written: counters.usage.bytes_written,
            elapsed_ms: counters.elapsed_ms,
            images_per_second,
            cpu_ms_per_image: ratio(counters.usage.cpu_ms as f64, counters.done() as f64),
            stages: counters.usage.stages.summary(),
            reading: self.reading(),
        }
    }

    /// What bounded the job so far.
    fn reading(&self) -> Option<Reading> {
        // It was checked before the job began; that of an older version may be out of range by now.
        let job = self.request.validate(&self.job_id).ok()?;
        let counters = &self.counters;
        let evidence = Evidence {
            usage: &counters.usage,
            concurrency: job.concurrency,
            max_requests_per_second: job.max_requests_per_second,
            job: Some(FanOut {
                elapsed_ms: counters.elapsed_ms,
                parallel: job.parallel,
                chunks: self.cursors.is_empty().then_some(counters.chunks),
                invocations: counters.invocations,
                refused: counters.invocations_throttled,
            }),
        };
        evidence.reading()
    }
}

/// With three decimals; 0 where nothing was measured.
fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 {
        (of / to * 1000.0).round() / 1000.0
    } else {
        0.0
    }
}
