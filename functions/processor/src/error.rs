use lambda_runtime::Diagnostic;
use shared::destination::Overlap;
use shared::s3::{self, ErrorKind};

/// Why a whole invocation failed. A single object never makes one fail, except that an event with retryable
/// failures does, since that is how Lambda is told to send it again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "unknown event: it is {0}; expected a chunk from fanout (objects), a notification from S3, SNS or SQS \
         (Records) or EventBridge (detail-type), tasks of S3 Batch Operations (tasks), or a batch of a \
         Distributed Map (Items)"
    )]
    UnknownEvent(String),
    #[error("{what}: {problem}")]
    BadEvent { what: &'static str, problem: String },
    #[error("{0}")]
    Overlap(#[from] Overlap),
    #[error("an event came in, but DESTINATION is not set: set it to s3://bucket/prefix/")]
    NoDestination,
    #[error("attempt {attempt} at chunk {chunk} was given up before it ended; what it did counts for nothing")]
    AttemptGivenUp { chunk: u64, attempt: String },
    #[error("the records could not be written: {0}")]
    Commit(s3::Error),
    #[error("objects of the event to be tried again: {count}, the first: {first}")]
    RetryableFailures { count: usize, first: String },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::UnknownEvent(_) => "UnknownEvent",
            Error::BadEvent { .. } => "BadEvent",
            Error::Overlap(_) => "DestinationInsideSource",
            Error::NoDestination => "NoDestination",
            Error::AttemptGivenUp { .. } => "AttemptGivenUp",
            // No other chunk could be committed either.
            Error::Commit(error) if matches!(error.kind, ErrorKind::AccessDenied | ErrorKind::NotFound) => {
                "DestinationRefused"
            }
            Error::Commit(_) => "CommitFailed",
            Error::RetryableFailures { .. } => "RetryableFailures",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
