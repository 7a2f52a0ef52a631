use std::time::Duration;

use local::s3::Latency;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::environment::Function;

/// The settings of the job and of the functions.
#[derive(Clone, Debug)]
pub struct Settings {
    pub images: &'static str,
    /// Whether the keys come from a list instead of a listing.
    pub manifest: bool,
    pub records: &'static str,
    pub chunk_keys: usize,
    pub parallel: usize,
    pub concurrency: usize,
    pub max_requests_per_second: Option<u32>,
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
fn latency(random: &mut ChaCha8Rng, fanout_timeout: u64) -> Latency {
    // An invocation must have time for a few requests.
    let most = Duration::from_secs(fanout_timeout) / 60;
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

/// A list of the keys, beside the source.
pub const MANIFEST: &str = "s3://photos/lists/keys.ndjson";

pub const SOURCE: &str = "s3://photos/in/";
pub const DESTINATION: &str = "s3://photos-out/job/";
/// Where the outputs of events go.
pub const EVENTS_DESTINATION: &str = "s3://photos-out/events/";

impl Settings {
    pub fn new(random: &mut ChaCha8Rng) -> Self {
        let some = "it is not empty";
        let fanout_timeout = *[60, 120, 300, 900].choose(random).expect(some);
        Self {
            images: ["copy", "copy", "upload", "upload", "none", "transform"]
                .choose(random)
                .expect(some),
            manifest: random.random_bool(0.1),
            records: ["ndjson", "ndjson", "ndjson", "ndjson", "sidecar", "none"]
                .choose(random)
                .expect(some),
            chunk_keys: *[1, 2, 3, 5, 100].choose(random).expect(some),
            // With the last one, the checkpoint has no room for objects, so all are in files of their own.
            parallel: *[1, 2, 4, 8, 1000].choose(random).expect(some),
            concurrency: *[1, 4, 64].choose(random).expect(some),
            max_requests_per_second: random.random_bool(0.1).then_some(20),
            fanout_timeout,
            processor_timeout: *[30, 60, 300].choose(random).expect(some),
            account_concurrency: *[3, 10, 1000].choose(random).expect(some),
            latency: latency(random, fanout_timeout),
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

    pub fn request(&self, job_id: &str) -> Value {
        let mut request = json!({
            "source": SOURCE, "destination": DESTINATION, "job_id": job_id, "images": self.images,
            "records": self.records, "chunk_keys": self.chunk_keys, "parallel": self.parallel,
            "concurrency": self.concurrency,
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
