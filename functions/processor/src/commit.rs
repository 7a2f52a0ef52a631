//! Writing the records. The record file is the commit: what is in it is done, what is not is not.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use shared::failure::Failure;
use shared::record::Record;
use shared::s3::{self, Condition, Written};

use crate::pipeline::Pipeline;

/// Writes the records of one attempt at a chunk, unless fanout has given the attempt up by writing
/// the file itself.
pub async fn chunk(pipeline: &Pipeline, key: &str, records: &[&Record]) -> Result<Written, Failure> {
    let body = ndjson(records);
    pipeline.bytes_written.fetch_add(body.len() as u64, Relaxed);
    s3::put_if(
        &pipeline.s3,
        &pipeline.destination.bucket,
        key,
        s3::NDJSON,
        body,
        Condition::New,
    )
    .await
}

/// Writes the record of one object that came by event. A repeated event writes the same again.
pub async fn event(pipeline: &Pipeline, record: &Record) -> Result<(), Failure> {
    let date = record.origin.last_modified.get(..10).unwrap_or("unknown");
    let destination = &pipeline.destination;
    let key = destination.event_record(date, &id(record));
    let body = ndjson(&[record]);
    pipeline.bytes_written.fetch_add(body.len() as u64, Relaxed);
    s3::put(&pipeline.s3, &destination.bucket, &key, s3::NDJSON, body).await
}

/// The same for every event of one version of an object: from bucket, key and version, or `ETag`
/// where the bucket keeps no versions.
fn id(record: &Record) -> String {
    let origin = &record.origin;
    let version = origin.version_id.as_deref().unwrap_or(&origin.etag);
    // NUL stands in no bucket name and no ETag, so the parts cannot run together.
    let digest = Sha256::digest(format!("{}\0{version}\0{}", origin.bucket, origin.key));
    hex::encode(digest)
}

fn ndjson(records: &[&Record]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("a record is valid JSON");
        lines.push(b'\n');
    }
    lines.into()
}
