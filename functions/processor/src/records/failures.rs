use bytes::Bytes;
use serde::Serialize;
use shared::destination::Destination;
use shared::object::{Bucket, ETag};
use shared::protocol::failure::FailedKey;
use shared::protocol::failure::Failure;
use shared::s3;

use super::event_file::object_id;
use super::{File, line};
use crate::image::Image;

/// A failed object of an event. It has the fields that a job writes for a failed key, and those that identify the
/// object.
#[derive(Serialize)]
struct FailedObject<'a> {
    bucket: &'a Bucket,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    /// Empty if it is not known.
    etag: &'a str,
    #[serde(flatten)]
    failed: FailedKey,
}

/// The file about an object of an event whose failure is not retryable. The caller does not keep such failures.
pub fn failure_file(destination: &Destination, image: &Image, failure: &Failure) -> File {
    let Image { bucket, object, .. } = image;
    let version_id = object.version_id.as_deref();
    let etag = object.etag.as_ref();
    let id = object_id(bucket.as_str(), &object.key, version_id, etag);
    let failed = FailedObject {
        bucket,
        version_id,
        etag: etag.map(ETag::as_str).unwrap_or_default(),
        failed: FailedKey::new(object.key.clone(), failure.class, &failure.message),
    };
    File {
        target: destination.event_failed(&id),
        content_type: s3::NDJSON,
        body: line(&failed),
    }
}

/// The file about all objects of a batch that failed.
pub fn failures_file(destination: &Destination, batch_id: &str, failed: &[FailedKey]) -> File {
    let lines: Vec<Bytes> = failed.iter().map(line).collect();
    File {
        target: destination.event_failed(batch_id),
        content_type: s3::NDJSON,
        body: lines.concat().into(),
    }
}
