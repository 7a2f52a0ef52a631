//! The images per second that each limit allows.

use std::collections::BTreeMap;

use shared::bottleneck::{NETWORK_BYTES_PER_SECOND, cpu_threads, vcpus};
use shared::modes::Records;

use super::found::Found;
use super::work::Work;
use crate::config::Config;
use crate::job::Job;

/// "Applications can achieve consistent small object latencies of roughly 100 to 200 milliseconds"
/// (Amazon S3 User Guide, "Best practices design patterns").
const REQUEST_SECONDS: f64 = 0.1;

/// For one prefix, before S3 splits it (the same page).
const S3_READS_PER_SECOND: f64 = 5_500.0;
const S3_WRITES_PER_SECOND: f64 = 3_500.0;

/// The images per second that each limit allows, by the name of the limit in the response.
pub fn limits(job: &Job, config: &Config, found: &Found, work: &Work) -> BTreeMap<&'static str, f64> {
    let images = found.images as f64;
    let profile = job.images.profile();
    let image_writes = if profile.writes_image() {
        job.outputs().len() as f64
    } else {
        0.0
    };
    let writes = image_writes + f64::from(u8::from(job.records == Records::Sidecar));
    let threads = if profile.uses_cpu_threads {
        cpu_threads(config.processor_memory_mb)
    } else {
        0
    };
    let requests_per_image = 1.0 + writes;
    let parallel = processors(job, found);
    let images_per_chunk = images / found.chunks.max(1) as f64;
    let in_flight = parallel * (job.concurrency as f64).min(images_per_chunk).max(1.0);
    let network_bytes = (work.bytes_to_read.saturating_add(work.bytes_to_send)) as f64;
    let mut limits = BTreeMap::from([
        ("lambda concurrency", in_flight / (requests_per_image * REQUEST_SECONDS)),
        (
            "cpu",
            parallel * vcpus(config.processor_memory_mb, 1, threads) / work.cpu_seconds_per_image,
        ),
        ("s3 reads", S3_READS_PER_SECOND),
    ]);
    if network_bytes > 0.0 {
        limits.insert("network", parallel * NETWORK_BYTES_PER_SECOND * images / network_bytes);
    }
    if writes > 0.0 {
        limits.insert("s3 writes", S3_WRITES_PER_SECOND / writes);
    }
    if let Some(rate) = job.max_requests_per_second {
        limits.insert("max_requests_per_second", rate / requests_per_image);
    }
    limits
}

/// Processors that run at the same time.
pub fn processors(job: &Job, found: &Found) -> f64 {
    (job.parallel as u64).min(found.chunks).max(1) as f64
}
