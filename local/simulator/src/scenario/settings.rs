use std::time::Duration;

use local::s3::Latency;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::party::Function;
use crate::places::{DESTINATION, MANIFEST, SOURCE};

/// The settings of the job and of the functions.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    pub images: &'static str,
    /// Whether the keys come from a list instead of a listing.
    pub manifest: bool,
    pub records: &'static str,
    pub chunk_keys: usize,
    pub parallel: usize,
    pub concurrency: usize,
    pub max_requests_per_second: Option<u32>,
    /// Whether the job skips images with an output.
    pub skip_current: bool,
    pub max_failed_percent: u32,
    /// Time-outs in seconds.
    pub fanout_timeout: u64,
    pub processor_timeout: u64,
    /// The most execution environments of the account.
    pub account_concurrency: usize,
    /// The least time of each request to S3.
    pub latency: Latency,
    /// Whether the destination's store ignores the conditions of writes. No job can complete there.
    pub ignores_conditions: bool,
    /// Whether processors also get the events of new objects, beside the job.
    pub events: bool,
}

/// What `transform` makes: a JPEG of the same size.
pub fn transform() -> Value {
    json!({"renditions": [{"max_edge": 1000, "format": "jpeg"}]})
}

/// Some stores are slow, so that jobs take long and are handed over.
fn latency(random: &mut ChaCha8Rng, fanout_timeout: u64, processor_timeout: u64) -> Latency {
    // An invocation must have time for some requests.
    let most = Duration::from_secs(fanout_timeout / 3).min(Duration::from_secs(processor_timeout)) / 20;
    let time = |random: &mut ChaCha8Rng| {
        Duration::from_millis(*[0, 0, 50, 1_000, 4_000].choose(random).expect("it is not empty")).min(most)
    };
    Latency {
        get: time(random),
        put: time(random),
        list: time(random),
        ..Latency::default()
    }
}

impl Settings {
    pub fn new(random: &mut ChaCha8Rng) -> Self {
        let some = "it is not empty";
        let fanout_timeout = *[60, 120, 300, 900].choose(random).expect(some);
        // At most a third of it, as in the template, so that an attempt can always end.
        let processor_timeout = fanout_timeout / *[3, 3, 6].choose(random).expect(some);
        let images = *["copy", "copy", "upload", "upload", "none", "transform"]
            .choose(random)
            .expect(some);
        let manifest = random.random_bool(0.15);
        Self {
            images,
            manifest,
            records: ["ndjson", "ndjson", "ndjson", "ndjson", "sidecar", "none"]
                .choose(random)
                .expect(some),
            chunk_keys: *[1, 2, 3, 5, 100].choose(random).expect(some),
            // With the last one, the checkpoint has no room for objects, so all are in files of their own.
            parallel: *[1, 2, 4, 8, 1000].choose(random).expect(some),
            concurrency: *[1, 4, 64].choose(random).expect(some),
            max_requests_per_second: random.random_bool(0.1).then_some(20),
            // It compares a listing with outputs.
            skip_current: !manifest && images != "none" && random.random_bool(0.2),
            max_failed_percent: *[100, 100, 100, 100, 10].choose(random).expect(some),
            fanout_timeout,
            processor_timeout,
            account_concurrency: *[3, 10, 1000].choose(random).expect(some),
            latency: latency(random, fanout_timeout, processor_timeout),
            ignores_conditions: random.random_bool(0.01),
            events: random.random_bool(0.2),
        }
    }

    /// The time limit of an invocation.
    pub fn timeout(&self, function: Function) -> Duration {
        Duration::from_secs(match function {
            Function::Fanout => self.fanout_timeout,
            Function::Processor => self.processor_timeout,
        })
    }

    /// What the output of a key adds to its name.
    pub fn ending(&self) -> &'static str {
        match self.images {
            "transform" => ".jpeg",
            _ => "",
        }
    }

    /// The key of an output.
    pub fn output(&self, prefix: &str, key: &str) -> String {
        format!("{prefix}images/{key}{}", self.ending())
    }

    pub fn request(&self, job_id: &str) -> Value {
        let mut request = json!({
            "source": SOURCE, "destination": DESTINATION, "job_id": job_id, "images": self.images,
            "records": self.records, "chunk_keys": self.chunk_keys, "parallel": self.parallel,
            "concurrency": self.concurrency, "skip_current": self.skip_current,
            "max_failed_percent": self.max_failed_percent,
        });
        if self.manifest {
            request["manifest"] = json!(MANIFEST);
        }
        if self.images == "transform" {
            request["transform"] = transform();
        }
        if let Some(limit) = self.max_requests_per_second {
            request["max_requests_per_second"] = json!(limit);
        }
        request
    }
}
