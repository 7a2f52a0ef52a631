//! What an estimate is made from.

use shared::bottleneck::{cpu_threads, vcpus};
use shared::modes::Records;

use super::chunk_time::{ChunkTime, ChunkWork};
use super::found::Found;
use super::work::Work;
use crate::config::Config;
use crate::engine::guided;
use crate::job::Job;

/// A job, what a listing found for it, and the work and the latency that it will meet.
pub struct Basis<'a> {
    pub job: &'a Job,
    pub config: &'a Config,
    pub found: &'a Found,
    pub work: Work,
    /// The time of a request to S3.
    pub request_seconds: f64,
}

impl Basis<'_> {
    /// Processors that run at the same time.
    pub fn processors(&self) -> f64 {
        (self.job.parallel as u64).min(self.found.chunks).max(1) as f64
    }

    /// Chunks, with those that fanout makes smaller at the end of the job.
    pub fn chunks(&self) -> u64 {
        let (chunks, slots) = (self.found.chunks, self.job.parallel as u64);
        // When the listing ends, each slot has its chunk, and there is one more for every second slot.
        let ready = chunks.saturating_sub(slots + slots / 2).min(slots / 2);
        let keys = self.images_per_chunk().round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both are below the limits of a request"
        )]
        let shares = guided::shares(ready as usize, self.job.parallel, keys as usize);
        chunks - ready + shares
    }

    pub fn images_per_chunk(&self) -> f64 {
        self.found.images as f64 / self.found.chunks.max(1) as f64
    }

    /// Writes of an image, without the record files of chunks.
    pub fn writes_per_image(&self) -> f64 {
        let image = if self.job.images.profile().writes_image() {
            self.job.outputs().len() as f64
        } else {
            0.0
        };
        image + f64::from(u8::from(self.job.records.writes_each()))
    }

    pub fn requests_per_image(&self) -> f64 {
        1.0 + self.writes_per_image()
    }

    /// Of one processor.
    pub fn vcpus(&self) -> f64 {
        let threads = if self.job.images.profile().uses_cpu_threads {
            cpu_threads(self.config.processor_memory_mb)
        } else {
            0
        };
        vcpus(self.config.processor_memory_mb, 1, threads)
    }

    /// Bytes of all images that the processors read and send.
    pub fn network_bytes(&self) -> f64 {
        self.work.bytes_to_read.saturating_add(self.work.bytes_to_send) as f64
    }

    /// The time of an average chunk.
    pub fn chunk_time(&self) -> ChunkTime {
        let images = self.images_per_chunk();
        let work = ChunkWork {
            images,
            requests: self.requests_per_image(),
            last_requests: f64::from(u8::from(self.job.records == Records::Ndjson)),
            request_seconds: self.request_seconds,
            cpu_seconds: images * self.work.cpu_seconds_per_image / self.vcpus(),
            bytes: self.network_bytes() / self.found.chunks.max(1) as f64,
            concurrency: self.job.concurrency as f64,
        };
        work.time()
    }
}
