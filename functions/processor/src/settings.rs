use shared::destination::Destination;
use shared::modes::Images;

use crate::records::RecordSink;

/// The settings that all images of an invocation share.
#[derive(Debug)]
pub struct Settings {
    pub images: Images,
    /// Whether all images are in one bucket.
    pub one_source: bool,
    pub sink: RecordSink,
    /// Whether failures that are not retryable are written into the destination, because the caller does not keep them.
    pub record_failures: bool,
    pub destination: Destination,
    /// Images in flight to start with.
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
    /// Whether reads of the source say that the requester pays.
    pub request_payer: bool,
}
