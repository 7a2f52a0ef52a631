use std::sync::Arc;

use shared::destination::Destination;
use shared::modes::Images;
use shared::transform::{Rendition, Transform};

use crate::records::RecordSink;

/// The settings that all images of an invocation share.
#[derive(Debug)]
pub struct Settings {
    pub images: Images,
    /// What is made of each image. Its renditions are empty, unless `images` is `transform`.
    pub renditions: Arc<[Rendition]>,
    /// The most pixels of an image that is decoded.
    pub max_pixels: u64,
    /// Whether all images are in one bucket.
    pub one_source: bool,
    pub sink: RecordSink,
    /// Whether failures that are not retryable are written into the destination, because the caller does not keep them.
    pub record_failures: bool,
    pub purpose: Purpose,
    pub destination: Destination,
    /// Images in flight to start with.
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
    /// Whether reads of the source say that the requester pays.
    pub request_payer: bool,
}

/// Why images are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For their outputs.
    Write,
    /// For a plan. Renditions are made, and their bytes counted as if they were written.
    Measure,
}

/// The renditions of a mode. An error says what is missing or wrong.
pub fn renditions(images: Images, transform: Option<&Transform>) -> Result<Arc<[Rendition]>, String> {
    if images != Images::Transform {
        return Ok(Arc::default());
    }
    let transform = transform.ok_or("transform: it is missing, and images is transform")?;
    transform.check().map_err(|error| error.to_string())?;
    Ok(transform.renditions.as_slice().into())
}
