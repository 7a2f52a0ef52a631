//! What is listed, and how.

use shared::destination::Destination;
use shared::object::S3Uri;

#[derive(Clone, Debug)]
pub struct Scope {
    pub source: S3Uri,
    /// Where to look for outputs that are newer than their source.
    pub outputs: Option<Destination>,
    /// The most keys in one page.
    pub page_keys: u16,
}
