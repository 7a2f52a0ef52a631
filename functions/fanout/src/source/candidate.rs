//! An object that was found in the source.

use aws_sdk_s3::primitives::DateTime;
use shared::object::ObjectRef;
use shared::protocol::ignored::IgnoreReason;

#[derive(Clone, Debug)]
pub struct Candidate {
    pub object: ObjectRef,
    pub last_modified: Option<DateTime>,
    /// Whether its key is UTF-8. Otherwise, it is shown URL-encoded.
    pub is_named: bool,
    pub disposition: Disposition,
}

/// What a listing or a list of keys decides about an object, before the filters apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Process,
    /// All its outputs are newer than the object.
    Skip,
    /// Its key is not UTF-8, so no request can name the object. `key` is the URL-encoded key.
    Unnamed,
    /// A row of a list that is not to be processed: an old version, a key outside the source, or a duplicate.
    Ignore(IgnoreReason),
}
