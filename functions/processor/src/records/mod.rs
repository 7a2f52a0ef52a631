//! The files with records and failures: where they go, and what is in them. The pipeline writes the files of single
//! images. The invocation writes the record file of a chunk.

mod batch_file;
mod chunk_file;
mod event_file;
mod failures;

use bytes::Bytes;
use serde::Serialize;
use shared::object::ObjectUri;

pub use batch_file::{BatchFile, batch_id};
pub use chunk_file::{ChunkFile, chunk_body, commit};
pub use event_file::event_file;
pub use failures::{failure_file, failures_file};

/// The name of the annotation that holds a record.
pub const ANNOTATION: &str = "exif";

/// Where the record of each image goes.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordSink {
    /// Nowhere.
    None,
    /// Into the record file of the chunk. Writing it commits the attempt.
    Chunk(ChunkFile),
    /// Into the record file of the batch.
    Batch(BatchFile),
    /// Into its own file among the records of events.
    Event,
    /// Into a sidecar: a file named after the image.
    Sidecar,
    /// Into an annotation of the source object.
    Annotation,
}

/// A file to write. If its key exists, it is overwritten, because a repeated write has the same bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    pub target: ObjectUri,
    pub content_type: &'static str,
    pub body: Bytes,
}

fn line<T: Serialize>(value: &T) -> Bytes {
    let mut body = serde_json::to_vec(value).expect("a line is valid JSON");
    body.push(b'\n');
    body.into()
}
