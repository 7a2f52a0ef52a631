//! The summary line of an invocation.

use std::collections::BTreeMap;

use shared::logs::{Summary, Unit};
use shared::protocol::failure::FailureClass;
use shared::protocol::usage::Usage;

/// The number of images with each outcome.
#[derive(Debug, Default)]
pub struct Counts {
    pub ok: u64,
    pub with_exif: u64,
    pub failed: BTreeMap<FailureClass, u64>,
    /// The caller sends these again.
    pub retried: u64,
}

impl Counts {
    pub fn add_failed(&mut self, class: FailureClass) {
        *self.failed.entry(class).or_default() += 1;
    }
}

/// The metrics of all invocations that process images. Each class of failures has a metric of its own, too.
pub fn summary(message: &str, counts: &Counts, usage: &Usage, concurrency: usize) -> Summary {
    let requests = &usage.requests;
    let mut summary = Summary::new(message)
        .metric("ImagesOk", Unit::Count, counts.ok)
        .metric("ImagesFailed", Unit::Count, counts.failed.values().sum())
        .metric("ImagesRetried", Unit::Count, counts.retried)
        .metric("BytesRead", Unit::Bytes, usage.bytes_read)
        .metric("BytesWritten", Unit::Bytes, usage.bytes_written)
        .metric("ElapsedTime", Unit::Milliseconds, usage.elapsed_ms)
        .metric("CpuTime", Unit::Milliseconds, usage.cpu_ms)
        .metric("ImagesInFlight", Unit::Count, concurrency as u64)
        .metric("S3Reads", Unit::Count, requests.get + requests.head)
        .metric("S3Writes", Unit::Count, requests.put + requests.copy)
        .metric("S3Throttles", Unit::Count, usage.throttled)
        .property("with_exif", counts.with_exif);
    for (class, &count) in &counts.failed {
        summary = summary.metric(format!("ImagesFailed.{class}"), Unit::Count, count);
    }
    summary
}
