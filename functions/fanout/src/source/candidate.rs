//! An object that came out of the source.

use aws_sdk_s3::primitives::DateTime;
use shared::object::ObjectRef;

#[derive(Clone, Debug)]
pub struct Candidate {
    pub object: ObjectRef,
    pub last_modified: Option<DateTime>,
    pub disposition: Disposition,
}

/// What a listing or a list decides about an object, before the filters do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Process,
    /// Its output is newer than it is.
    Skip,
    /// A row of a list that names no object to process: an old version, a key outside the source, or a
    /// duplicate.
    Ignore,
}
