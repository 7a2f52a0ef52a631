use serde::Serialize;
use shared::destination::Destination;
use shared::object::{Bucket, ETag};
use shared::protocol::failure::FailedKey;
use shared::protocol::failure::Failure;
use shared::s3;

use super::event_file::object_id;
use super::{File, line};
use crate::image::Image;

/// A failed object that came by event: what a job writes of a failed key, and which object it was.
#[derive(Serialize)]
struct FailedObject<'a> {
    bucket: &'a Bucket,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    /// Empty where it is not known.
    etag: &'a str,
    #[serde(flatten)]
    failed: FailedKey,
}

/// The report of an object that came by event and failed permanently: its caller would forget it.
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
