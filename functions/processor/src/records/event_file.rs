use sha2::{Digest, Sha256};
use shared::destination::Destination;
use shared::metadata::record::Origin;
use shared::object::{ETag, Key};
use shared::s3;

use super::File;

/// The file with the record of one object of an event, which is JSON without a newline.
pub fn event_file(destination: &Destination, origin: &Origin, record: &[u8]) -> File {
    let date = origin.last_modified.get(..10).unwrap_or("unknown");
    let id = object_id(
        &origin.bucket,
        &origin.key,
        origin.version_id.as_deref(),
        origin.etag.as_ref(),
    );
    File {
        target: destination.event_record(date, &id),
        content_type: s3::NDJSON,
        body: [record, b"\n"].concat().into(),
    }
}

/// An id that is the same for every event of one version of an object. It is a hash of bucket, key and version id.
/// The `ETag` replaces the version id if the bucket has no versioning.
pub fn object_id(bucket: &str, key: &Key, version_id: Option<&str>, etag: Option<&ETag>) -> String {
    let version = version_id.or(etag.map(ETag::as_str)).unwrap_or_default();
    // Neither a bucket name nor a version contains NUL, so different objects never have the same text.
    let digest = Sha256::digest(format!("{bucket}\0{version}\0{key}"));
    hex::encode(digest)
}
