use std::collections::HashMap;

use shared::metadata::record::{Origin, Record};
use shared::metadata::{Metadata, user_metadata};
use shared::object::{Bucket, Key, ObjectMeta};

const OTHER_MD5: &str = "the ETag looks like an MD5, but not that of the bytes; two reads agreed about the bytes";

/// The record of an image, and the user metadata that is added to its copy.
pub fn record(
    bucket: &Bucket,
    key: &Key,
    meta: &ObjectMeta,
    mut metadata: Metadata,
) -> (Record, HashMap<String, String>) {
    if meta.has_other_md5 {
        metadata.warnings.push(OTHER_MD5.to_owned());
    }
    let added = user_metadata::summary(metadata.exif.as_deref(), &meta.user_metadata, &mut metadata.warnings);
    let origin = Origin {
        bucket: bucket.to_string(),
        key: key.clone(),
        version_id: meta.version_id.clone(),
        etag: meta.etag.clone(),
        size: meta.size,
        last_modified: meta.last_modified.clone(),
    };
    (Record::new(origin, metadata), added)
}
