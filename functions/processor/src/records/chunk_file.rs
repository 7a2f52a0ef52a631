use aws_sdk_s3::Client;
use bytes::Bytes;
use shared::destination::Destination;
use shared::protocol::attempt::Attempt;
use shared::s3::{self, Condition, ConditionalWrite};

/// The record file of one attempt at a chunk. It is the commit: the images in it are done, and all others are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFile {
    pub job_id: String,
    pub chunk: u64,
    pub attempt: Attempt,
}

/// One record per line.
pub fn chunk_body(records: &[&[u8]]) -> Bytes {
    let lines = records.iter().flat_map(|record| [*record, b"\n"]);
    lines.collect::<Vec<_>>().concat().into()
}

/// Writes the file, unless fanout has given the attempt up by writing it itself.
pub async fn commit(
    client: &Client,
    destination: &Destination,
    file: &ChunkFile,
    body: Bytes,
) -> Result<ConditionalWrite, s3::Error> {
    let target = destination.records(&file.job_id, file.chunk, file.attempt);
    s3::put_object_if(client, &target, s3::NDJSON, body, Condition::Absent).await
}
