//! How long a job takes.

use std::collections::BTreeMap;

use super::basis::Basis;

/// In seconds.
#[derive(Clone, Copy, Debug)]
pub struct JobTime {
    pub whole: f64,
    /// While processors work.
    pub processing: f64,
}

/// Requests of fanout before the first invocation and after the last one: a page of the listing and a checkpoint, and the
/// last checkpoint.
const REQUESTS_ALONE: f64 = 3.0;

impl JobTime {
    /// `limits` are the images per second that each limit allows.
    pub fn of(basis: &Basis<'_>, limits: &BTreeMap<&'static str, f64>) -> Self {
        let images = basis.found.images as f64;
        let slowest = limits.values().filter(|rate| **rate > 0.0).map(|rate| images / rate);
        let slowest = slowest.fold(basis.found.seconds, f64::max);
        let processing = slowest.max(processors(basis));
        Self {
            whole: REQUESTS_ALONE * basis.request_seconds + processing,
            processing,
        }
    }
}

/// The time of the processors if nothing but their own work holds them up.
fn processors(basis: &Basis<'_>) -> f64 {
    let chunks = basis.found.chunks as f64;
    if chunks == 0.0 {
        return 0.0;
    }
    let time = basis.chunk_time();
    // The last chunks are small, so all processors end at about the same time.
    let later = chunks / basis.processors() - 1.0;
    time.first + later * time.later
}
