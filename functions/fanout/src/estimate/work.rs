//! The work that the processors do for a job, as assumed for its mode or as measured for a sample.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::protocol::failure::FailureClass;
use shared::protocol::sample::SampleResponse;

use super::found::Found;
use super::rounded;
use crate::job::Job;

/// The work for all images that a listing found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// CPU time of one image on a whole vCPU.
    pub cpu_seconds_per_image: f64,
    pub bytes_to_read: u64,
    /// Sent by the processors, without the bytes that S3 copies by itself.
    pub bytes_to_send: u64,
}

impl Work {
    pub fn assumed(job: &Job, found: &Found) -> Self {
        Self {
            cpu_seconds_per_image: job.images.profile().cpu_seconds,
            bytes_to_read: found.bytes_to_read,
            bytes_to_send: found.bytes_to_send,
        }
    }

    /// The work of the sample in proportion: to the bytes of images whose size is known, and to the number of the others.
    pub fn measured(found: &Found, sample: &SampleResponse) -> Self {
        let scaled = |amount: u64| {
            let of_bytes = share(amount, found.known_bytes, sample.bytes_read);
            of_bytes.saturating_add(share(amount, found.of_unknown_size, sample.finished()))
        };
        // Less than a millisecond counts as one, since no image takes no time at all.
        let cpu_us = scaled(sample.cpu_ms.max(1).saturating_mul(1_000));
        Self {
            cpu_seconds_per_image: cpu_us as f64 / 1e6 / found.images.max(1) as f64,
            bytes_to_read: scaled(sample.bytes_read),
            bytes_to_send: scaled(sample.bytes_written),
        }
    }
}

/// `amount × part / whole`.
fn share(amount: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(amount) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// What a sample has shown.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Images of which all renditions were made.
    pub images: u64,
    /// Images that failed, by class.
    pub failed: BTreeMap<FailureClass, u64>,
    /// Of `images`, as they are stored.
    pub megapixels: f64,
    pub cpu_ms_per_image: f64,
    pub cpu_ms_per_megapixel: f64,
    pub bytes_written_per_image: u64,
}

impl From<&SampleResponse> for Measured {
    fn from(sample: &SampleResponse) -> Self {
        let (images, megapixels) = (sample.images.max(1), sample.pixels.max(1) as f64 / 1e6);
        let cpu_ms = sample.cpu_ms as f64;
        Self {
            images: sample.images,
            failed: sample.failed.clone(),
            megapixels: rounded(megapixels, 3),
            cpu_ms_per_image: rounded(cpu_ms / images as f64, 2),
            cpu_ms_per_megapixel: rounded(cpu_ms / megapixels, 2),
            bytes_written_per_image: sample.bytes_written / images,
        }
    }
}
