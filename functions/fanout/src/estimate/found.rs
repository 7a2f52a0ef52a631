//! What a listing found, as far as it matters for time and cost.

use std::collections::BTreeMap;

use shared::metadata::FRONT_BYTES;
use shared::protocol::examples::Examples;
use shared::protocol::ignored::IgnoreReason;

use crate::engine::planner::Planned;
use crate::job::Job;
use crate::store::ListedCounts;

#[derive(Debug, Default)]
pub struct Found {
    /// Whether the listing finished.
    pub is_complete: bool,
    pub counts: ListedCounts,
    pub ignored_by: BTreeMap<IgnoreReason, u64>,
    pub examples: Examples,
    pub images: u64,
    pub bytes_to_read: u64,
    /// Sent by the processors, without the bytes that S3 copies by itself.
    pub bytes_to_send: u64,
    /// Bytes of the images whose size is known.
    pub known_bytes: u64,
    /// Images of unknown size.
    pub of_unknown_size: u64,
    pub chunks: u64,
    /// Requests of the listing.
    pub lists: u64,
    /// The time of the listing.
    pub seconds: f64,
}

impl Found {
    pub fn add(&mut self, job: &Job, planned: &Planned) {
        self.counts.add(planned.counts);
        for (reason, count) in &planned.ignored.by {
            *self.ignored_by.entry(*reason).or_default() += count;
        }
        self.examples.merge(&planned.ignored.examples);
        let profile = job.images.profile();
        self.chunks += u64::from(!planned.objects.is_empty());
        self.images += planned.objects.len() as u64;
        for object in &planned.objects {
            let size = object.size.unwrap_or(FRONT_BYTES);
            self.known_bytes += object.size.unwrap_or_default();
            self.of_unknown_size += u64::from(object.size.is_none());
            self.bytes_to_read += profile.bytes_to_read(size, FRONT_BYTES);
            self.bytes_to_send += profile.bytes_to_send(size);
        }
    }
}
