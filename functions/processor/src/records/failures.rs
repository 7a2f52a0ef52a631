use serde::Serialize;
use shared::chunk::FailedKey;
use shared::destination::Destination;
use shared::failure::Failure;
use shared::s3::{self, ObjectId};

use super::event_file::object_id;
use super::{File, line};

/// A failed object that came by event: what a job writes of a failed key, and which object it was.
#[derive(Serialize)]
struct FailedObject<'a> {
    bucket: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    etag: &'a str,
    #[serde(flatten)]
    failed: FailedKey,
}

/// The report of an object that came by event and failed permanently: its caller would forget it.
pub fn failure_file(destination: &Destination, id: &ObjectId, failure: &Failure) -> File {
    let version_id = id.version_id.as_deref();
    let object = FailedObject {
        bucket: &id.bucket,
        version_id,
        etag: &id.etag,
        failed: FailedKey::new(id.key.clone(), failure.class, &failure.message),
    };
    File {
        key: destination.event_failed(&object_id(&id.bucket, &id.key, version_id, &id.etag)),
        content_type: s3::NDJSON,
        body: line(&object),
    }
}
