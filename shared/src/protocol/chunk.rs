//! Request and response of one processor invocation.

use serde::{Deserialize, Serialize};

use super::attempt::Attempt;
use super::diagnosis::Diagnosis;
use super::examples::Examples;
use super::failure::FailedKey;
use super::found::Found;
use super::usage::Usage;
use crate::modes::{Images, Records};
use crate::object::{Bucket, Key, ObjectRef, Prefix, S3Uri};
use crate::strip;
use crate::transform::Transform;

/// A chunk, and what to do with it.
///
/// Unknown fields are ignored: during a deploy, an older processor may get fields that a newer fanout adds. An
/// unknown mode is an error.
///
/// fanout has the objects as JSON already, so their type is a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkRequest<O = Vec<ObjectRef>> {
    pub job_id: String,
    pub chunk: u64,
    pub attempt: Attempt,
    pub source_bucket: Bucket,
    pub source_prefix: Prefix,
    pub destination: S3Uri,
    /// Where records and sidecars are written, if not to the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_destination: Option<S3Uri>,
    pub images: Images,
    pub records: Records,
    /// Images in flight to start with.
    pub concurrency: usize,
    /// This invocation's share of the job's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests_per_second: Option<f64>,
    /// Whether reads of the source say that the requester pays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub request_payer: bool,
    /// Present if `images` is `transform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// Present if `images` is `strip`.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub strip: Option<strip::Settings>,
    /// The most pixels of an image that is decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<u64>,
    pub objects: O,
}

/// What happened to the objects of a chunk. `ok + skipped + failed + unprocessed` is their number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkResponse {
    pub job_id: String,
    pub chunk: u64,
    pub attempt: String,
    pub ok: u64,
    pub with_exif: u64,
    pub skipped: u64,
    pub failed: Vec<FailedKey>,
    /// Not started before the deadline. fanout sends them again.
    pub unprocessed: Vec<Key>,
    /// The number of images in flight at which the processor settled.
    #[serde(default)]
    pub concurrency: usize,
    /// Of the images that are `ok`.
    #[serde(default, skip_serializing_if = "Found::is_empty")]
    pub found: Found,
    /// Images that are `ok`, but damaged or of an unknown format.
    #[serde(default, skip_serializing_if = "Examples::is_empty")]
    pub examples: Examples,
    #[serde(flatten)]
    pub usage: Usage,
    /// What limited the invocation. Absent if no image was processed.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
}
