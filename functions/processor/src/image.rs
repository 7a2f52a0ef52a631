use shared::object::{Bucket, ObjectRef};

/// One object to process.
#[derive(Clone, Debug)]
pub struct Image {
    pub bucket: Bucket,
    pub object: ObjectRef,
    /// The key relative to the source.
    pub relative_key: String,
    pub version: ObjectVersion,
}

/// Which version of an object to process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectVersion {
    /// The version that was named or listed.
    Exact,
    /// The latest version. Every version has an event of its own, so an older one is not needed.
    Latest,
}
