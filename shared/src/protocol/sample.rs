//! What fanout asks a processor for a plan, and what it answers: how much work a few images are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chunk::ChunkRequest;
use super::failure::FailureClass;

/// A chunk that is measured. Nothing is written, neither images nor records.
///
/// An older processor does not know this event. It answers with an error, and does not take the objects for a chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRequest {
    pub plan: ChunkRequest,
}

/// What the images of a sample took. `images + failed + unprocessed` is their number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleResponse {
    /// Images of which all renditions were made.
    pub images: u64,
    pub failed: BTreeMap<FailureClass, u64>,
    /// Not finished before the deadline.
    pub unprocessed: u64,
    /// Pixels of `images`, as they are stored.
    pub pixels: u64,
    /// Bytes of images that were read, also of those that failed.
    pub bytes_read: u64,
    /// Bytes of renditions that a job would write.
    pub bytes_written: u64,
    /// CPU time of all threads of the process, also for images that failed.
    pub cpu_ms: u64,
}

impl SampleResponse {
    /// Images that were finished: those that failed, and those that did not.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.images + self.failed.values().sum::<u64>()
    }
}
