//! The requests of a job, and the cost of these requests and of Lambda.

use shared::modes::{Reads, Records, Writes};
use shared::prices::{Cost, PRICES, Used};
use shared::protocol::usage::Requests;

use super::basis::Basis;
use super::time::JobTime;

pub fn requests(basis: &Basis<'_>, time: JobTime) -> Requests {
    let (found, chunks) = (basis.found, basis.chunks());
    let records = match basis.job.records {
        Records::None => 0,
        Records::Ndjson => chunks,
        Records::Sidecar | Records::Annotation => found.images,
    };
    let profile = basis.job.images.profile();
    // An image of unknown size may be larger than its front.
    let second_reads = match profile.reads {
        Reads::Metadata => 0,
        Reads::Whole => found.of_unknown_size,
    };
    let (put, copy) = match profile.writes {
        Writes::Nothing => (0, 0),
        Writes::ServerSideCopy => (0, found.images),
        Writes::Upload => (found.images * basis.job.outputs().len() as u64, 0),
    };
    Requests {
        list: found.lists,
        get: found.images + second_reads,
        head: 0,
        put: records + writes_of_fanout(basis, time, chunks) + put,
        copy,
        invoke: chunks,
    }
}

/// Checkpoints, reports, and the objects of chunks. fanout writes one checkpoint after the other, as long as chunks end.
/// A checkpoint waits for the objects of the chunks that it names. All chunks of a page share a file.
fn writes_of_fanout(basis: &Basis<'_>, time: JobTime, chunks: u64) -> u64 {
    /// The first and the last writes, and those that find out whether the store honours conditions.
    const ONCE: u64 = 6;
    let one_after_the_other = whole(time.whole / basis.request_seconds);
    let bodies = basis.found.lists.min(chunks).min(2 * one_after_the_other);
    let checkpoints = one_after_the_other.saturating_sub(bodies).max(one_after_the_other / 2);
    bodies + checkpoints.min(chunks) + whole(time.whole) + ONCE
}

pub fn cost(basis: &Basis<'_>, requests: &Requests, time: JobTime) -> Cost {
    let config = basis.config;
    let generations = whole(time.whole / config.timeout.as_secs_f64().max(1.0)) + 1;
    let processors = basis.processors() * time.processing * f64::from(config.processor_memory_mb);
    let fanout = time.whole * f64::from(config.memory_mb);
    let used = Used {
        gb_seconds: (processors + fanout) / 1024.0,
        architecture: config.processor_architecture,
        invocations: requests.invoke + generations,
        requests,
    };
    PRICES.cost(&used).rounded()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no job has more seconds or requests than a u64 can count"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
