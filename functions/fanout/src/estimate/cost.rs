//! The requests of a job, and the cost of these requests and of Lambda.

use std::time::Duration;

use serde::Serialize;
use shared::modes::{Reads, Records, Writes};
use shared::prices::PRICES;
use shared::protocol::usage::Requests;

use super::found::Found;
use super::limits::processors;
use crate::config::Config;
use crate::job::Job;

/// In US dollars.
#[derive(Debug, Serialize)]
pub struct Cost {
    pub lambda: f64,
    pub s3: f64,
    pub total: f64,
}

/// The requests of a job that takes this many `seconds`.
pub fn requests(job: &Job, found: &Found, seconds: f64) -> Requests {
    let records = match job.records {
        Records::None => 0,
        Records::Ndjson => found.chunks,
        Records::Sidecar => found.images,
    };
    // fanout writes its checkpoint before it sends each chunk. Once a second, it writes the checkpoint and the report.
    let reports = found.chunks + 2 * whole_seconds(seconds);
    let profile = job.images.profile();
    // An image of unknown size may be larger than its front.
    let second_reads = match profile.reads {
        Reads::Metadata => 0,
        Reads::Whole => found.of_unknown_size,
    };
    let (put, copy) = match profile.writes {
        Writes::Nothing => (0, 0),
        Writes::ServerSideCopy => (0, found.images),
        Writes::Upload => (found.images * job.outputs().len() as u64, 0),
    };
    Requests {
        list: found.lists,
        get: found.images + second_reads,
        head: 0,
        put: records + reports + put,
        copy,
        invoke: found.chunks,
    }
}

pub fn cost(job: &Job, config: &Config, found: &Found, requests: &Requests, seconds: f64) -> Cost {
    let generations = whole_seconds(seconds).div_ceil(config.timeout.as_secs().max(1));
    let processor_mb = processors(job, found) * f64::from(config.processor_memory_mb);
    let gb_seconds = seconds * (processor_mb + f64::from(config.memory_mb)) / 1024.0;
    let lambda = gb_seconds * PRICES.gb_second(config.processor_architecture)
        + (requests.invoke + generations) as f64 * PRICES.lambda_invocation;
    let s3 = (requests.list + requests.put + requests.copy) as f64 * PRICES.s3_put_copy_list
        + (requests.get + requests.head) as f64 * PRICES.s3_get_head;
    let rounded = |dollars| super::rounded(dollars, 4);
    Cost {
        lambda: rounded(lambda),
        s3: rounded(s3),
        total: rounded(lambda + s3),
    }
}

fn whole_seconds(seconds: f64) -> u64 {
    Duration::from_secs_f64(seconds).as_secs() + 1
}
