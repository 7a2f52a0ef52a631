//! Why the source cannot be read.

use std::io;

use shared::object::ObjectUri;
use shared::s3;

use super::csv::MAX_RECORD_BYTES;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message names the request and its location.
    #[error(transparent)]
    Request(#[from] s3::Error),
    /// The body of a list broke off.
    #[error("GetObject {list}: {source}")]
    Body { list: ObjectUri, source: io::Error },
    #[error("{list}, line {line}: {problem}")]
    Row {
        list: ObjectUri,
        line: u64,
        problem: String,
    },
    #[error("{list}, line {line}: the row is longer than {MAX_RECORD_BYTES} bytes")]
    RecordTooLong { list: ObjectUri, line: u64 },
    #[error("{0} is empty: its first line must name the columns")]
    EmptyCsv(ObjectUri),
    #[error("a task of the listing ended early: {0}")]
    Task(String),
}

impl Error {
    /// Whether a retry may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Request(error) => error.is_retryable(),
            Self::Body { .. } => true,
            Self::Row { .. } | Self::RecordTooLong { .. } | Self::EmptyCsv(_) | Self::Task(_) => false,
        }
    }
}
