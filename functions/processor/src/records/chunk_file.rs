use aws_sdk_s3::Client;
use bytes::Bytes;
use shared::destination::Destination;
use shared::protocol::attempt::Attempt;
use shared::s3::{self, Condition, ConditionalWrite};

/// The record file of one attempt. Writing it is the commit: the images in it are `ok`, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFile {
    pub job_id: String,
    pub chunk: u64,
    pub attempt: Attempt,
}

/// The body of a record file: one record per line.
pub fn chunk_body(records: &[&[u8]]) -> Bytes {
    let lines = records.iter().flat_map(|record| [*record, b"\n"]);
    lines.collect::<Vec<_>>().concat().into()
}

/// Writes the record file, unless fanout has written it as a fence to give the attempt up.
pub async fn commit(
    client: &Client,
    destination: &Destination,
    file: &ChunkFile,
    body: Bytes,
) -> Result<ConditionalWrite, s3::Error> {
    let target = destination.records(&file.job_id, file.chunk, file.attempt);
    s3::put_object_if(client, &target, s3::NDJSON, body, Condition::Absent).await
}
