use shared::destination::Destination;
use shared::record::Record;
use shared::s3;

use super::object_id::object_id;
use super::{File, line};

/// The record of one object that came by event.
pub fn event_file(destination: &Destination, record: &Record) -> File {
    let origin = &record.origin;
    let date = origin.last_modified.get(..10).unwrap_or("unknown");
    let id = object_id(&origin.bucket, &origin.key, origin.version_id.as_deref(), &origin.etag);
    File {
        key: destination.event_record(date, &id),
        content_type: s3::NDJSON,
        body: line(record),
    }
}
