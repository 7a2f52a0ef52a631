//! The files of records. For a chunk its file is the commit: what is in it is done, what is not is not.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::failure::Failure;
use shared::s3::{self, Condition, Written};

use crate::pipeline::Pipeline;

/// Writes the records of one attempt at a chunk, each as a line of JSON, unless fanout has given the attempt
/// up by writing the file itself.
pub async fn chunk(pipeline: &Pipeline<'_>, key: &str, records: &[&[u8]]) -> Result<Written, Failure> {
    let lines = records.iter().flat_map(|record| [*record, b"\n"]);
    let body = Bytes::from(lines.collect::<Vec<_>>().concat());
    pipeline.bytes_written.fetch_add(body.len() as u64, Relaxed);
    s3::put_if(
        &pipeline.clients.writes,
        &pipeline.destination.bucket,
        key,
        s3::NDJSON,
        body,
        Condition::New,
    )
    .await
}

/// The same for every event of one version of an object: from bucket, key and version, or `ETag`
/// where the bucket keeps no versions.
pub fn event_id(bucket: &str, key: &str, version_id: Option<&str>, etag: &str) -> String {
    let version = version_id.unwrap_or(etag);
    // NUL stands in no bucket name and no ETag, so the parts cannot run together.
    let digest = Sha256::digest(format!("{bucket}\0{version}\0{key}"));
    hex::encode(digest)
}

pub fn ndjson<T: Serialize>(lines: &[T]) -> Bytes {
    let mut body = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut body, line).expect("what is written is valid JSON");
        body.push(b'\n');
    }
    body.into()
}
