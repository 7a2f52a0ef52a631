use shared::object::{Bucket, ObjectRef};

/// One object to process.
#[derive(Clone, Debug)]
pub struct Image {
    pub bucket: Bucket,
    pub object: ObjectRef,
    /// Its key relative to the source.
    pub relative_key: String,
    pub version: ObjectVersion,
}

/// Which version of an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectVersion {
    /// The one that is named, as it was listed.
    Exact,
    /// The latest: each version of the object sends an event of its own.
    Latest,
}
