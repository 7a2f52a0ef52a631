//! Writing the records. The record file is the commit: what is in it is done, what is not is not.

use aws_sdk_s3::Client;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use shared::destination::Destination;
use shared::failure::Failure;
use shared::record::Record;
use shared::s3::{self, Written};

/// Writes the records of one attempt at a chunk, unless fanout has given the attempt up by writing
/// the file itself.
pub async fn chunk(client: &Client, bucket: &str, key: &str, records: &[&Record]) -> Result<Written, Failure> {
    s3::create(client, bucket, key, s3::NDJSON, ndjson(records)).await
}

/// Writes the record of one object that came by event. A repeated event writes the same again.
pub async fn event(client: &Client, destination: &Destination, record: &Record) -> Result<(), Failure> {
    let origin = &record.origin;
    let date = origin.last_modified.get(..10).unwrap_or("unknown");
    let key = destination.event_record(date, &id(record));
    s3::put(client, &destination.bucket, &key, s3::NDJSON, ndjson(&[record])).await
}

/// The same for every event of one version of an object: from bucket, key and version, or `ETag`
/// where the bucket keeps no versions.
fn id(record: &Record) -> String {
    let origin = &record.origin;
    let version = origin.version_id.as_deref().unwrap_or(&origin.etag);
    // NUL stands in no bucket name and no ETag, so the parts cannot run together.
    let digest = Sha256::digest(format!("{}\0{version}\0{}", origin.bucket, origin.key));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn ndjson(records: &[&Record]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("a record is valid JSON");
        lines.push(b'\n');
    }
    lines.into()
}
