//! Why keys do not come.

use std::io;

use shared::failure::Failure;
use shared::uri::S3Uri;

use super::csv::MAX_RECORD_BYTES;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// With the request and its location in the message.
    #[error(transparent)]
    Request(#[from] Failure),
    #[error("ListObjectsV2 s3://{bucket}/: an empty page that says more keys follow")]
    EmptyPage { bucket: String },
    /// The body broke off.
    #[error("GetObject {list}: {source}")]
    Body { list: S3Uri, source: io::Error },
    #[error("{list}, line {line}: {problem}")]
    Row { list: S3Uri, line: u64, problem: String },
    #[error("{list}, line {line}: it is longer than {MAX_RECORD_BYTES} bytes")]
    RecordTooLong { list: S3Uri, line: u64 },
    #[error("{0} is empty: its first line must name the columns")]
    EmptyCsv(S3Uri),
    #[error("a task of the listing ended early: {0}")]
    Task(String),
}

impl Error {
    /// Whether the same page or list may well be read later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Request(failure) => failure.class.is_passing(),
            Self::Body { .. } => true,
            Self::EmptyPage { .. }
            | Self::Row { .. }
            | Self::RecordTooLong { .. }
            | Self::EmptyCsv(_)
            | Self::Task(_) => false,
        }
    }
}
