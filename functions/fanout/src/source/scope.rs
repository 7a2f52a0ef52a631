//! What a job lists, and how.

use shared::destination::Destination;
use shared::object::S3Uri;

#[derive(Clone, Debug)]
pub struct Scope {
    pub source: S3Uri,
    /// The destination, if images with a newer output are to be skipped.
    pub outputs: Option<Destination>,
    /// The most keys in one page.
    pub page_keys: u16,
}
