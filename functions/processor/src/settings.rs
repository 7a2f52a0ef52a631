use shared::destination::Destination;
use shared::modes::Images;

use crate::records::RecordSink;

/// What all images of an invocation have in common.
#[derive(Debug)]
pub struct Settings {
    pub images: Images,
    pub sink: RecordSink,
    /// Whether permanent failures are written into the destination, because the caller would forget them.
    pub record_failures: bool,
    pub destination: Destination,
    /// Images in flight to begin with.
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
}
