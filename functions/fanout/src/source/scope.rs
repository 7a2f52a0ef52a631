//! What a job lists, and how.

use shared::destination::OutputFolder;
use shared::object::S3Uri;

#[derive(Clone, Debug)]
pub struct Scope {
    pub source: S3Uri,
    /// The outputs of each image, if images whose outputs are all newer are to be skipped. Otherwise empty.
    pub outputs: Vec<OutputFolder>,
    /// The most keys in one page.
    pub page_keys: u16,
    /// The most requests at the same time.
    pub listers: usize,
}
