use std::collections::HashMap;

use shared::exif::Metadata;
use shared::record::{Origin, Record};
use shared::s3::{Head, ObjectId};
use shared::summary;

/// The record of an image, and the user metadata its copy gets on top of its own.
pub fn record(id: &ObjectId, head: &Head, mut metadata: Metadata) -> (Record, HashMap<String, String>) {
    let added = summary::user_metadata(metadata.exif.as_ref(), &head.user_metadata, &mut metadata.warnings);
    let origin = Origin {
        bucket: id.bucket.clone(),
        key: id.key.clone(),
        version_id: head.version_id.clone(),
        etag: head.etag.clone(),
        size: head.size,
        last_modified: head.last_modified.clone(),
    };
    (Record::new(origin, metadata), added)
}
