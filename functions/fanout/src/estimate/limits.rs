//! The images per second that each limit allows.

use std::collections::BTreeMap;

use shared::bottleneck::{NETWORK_BYTES_PER_SECOND, vcpus};

use super::basis::Basis;

/// For one prefix, before S3 splits it (Amazon S3 User Guide, "Best practices design patterns").
const S3_READS_PER_SECOND: f64 = 5_500.0;
const S3_WRITES_PER_SECOND: f64 = 3_500.0;

/// CPU time of fanout for a chunk, and for each of its keys, over TLS (`cargo local bench fanout --tls`).
const FANOUT_SECONDS_PER_CHUNK: f64 = 0.6e-3;
const FANOUT_SECONDS_PER_KEY: f64 = 6e-6;

/// The images per second that each limit allows, by the name of the limit in the response.
pub fn limits(basis: &Basis<'_>) -> BTreeMap<&'static str, f64> {
    let (images, parallel) = (basis.found.images as f64, basis.processors());
    let per_chunk = basis.images_per_chunk();
    let waiting = basis.chunk_time().waiting.max(1e-6);
    let fanout_seconds = FANOUT_SECONDS_PER_CHUNK + FANOUT_SECONDS_PER_KEY * per_chunk;
    let mut limits = BTreeMap::from([
        ("lambda concurrency", parallel * per_chunk / waiting),
        ("cpu", parallel * basis.vcpus() / basis.work.cpu_seconds_per_image),
        (
            "fanout",
            vcpus(basis.config.memory_mb, 1, 0) * per_chunk / fanout_seconds,
        ),
        ("listing", images / basis.found.seconds.max(1e-6)),
        ("s3 reads", S3_READS_PER_SECOND),
    ]);
    let bytes = basis.network_bytes();
    if bytes > 0.0 {
        limits.insert("network", parallel * NETWORK_BYTES_PER_SECOND * images / bytes);
    }
    let writes = basis.writes_per_image();
    if writes > 0.0 {
        limits.insert("s3 writes", S3_WRITES_PER_SECOND / writes);
    }
    if let Some(rate) = basis.job.max_requests_per_second {
        limits.insert("max_requests_per_second", rate / basis.requests_per_image());
    }
    limits
}
