use lambda_runtime::Diagnostic;
use shared::destination::Overlap;
use shared::protocol::failure::{Failure, Systemic};
use shared::s3::{self, ErrorKind};

/// Why a whole invocation failed. An object that failed does not fail the invocation, with one exception: if an object
/// of a notification or of a Distributed Map must be retried, the invocation fails, so that the event is sent again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "unknown event: it is {0}; expected the field objects or plan (from fanout), Records (from S3, SNS or SQS), \
         detail-type (from EventBridge), tasks (from S3 Batch Operations) or Items (from a Distributed Map)"
    )]
    UnknownEvent(String),
    #[error("{what}: {problem}")]
    BadEvent { what: &'static str, problem: String },
    #[error("{0}")]
    Overlap(#[from] Overlap),
    #[error("DESTINATION is not set, and an event needs it: set it to s3://bucket/prefix/")]
    NoDestination,
    #[error("attempt {attempt} of chunk {chunk} was given up by fanout before it committed, so it does not count")]
    AttemptGivenUp { chunk: u64, attempt: String },
    #[error("the record file could not be written: {0}")]
    Commit(s3::Error),
    #[error("the record file could not be written, unless a try without a response has written it: {0}")]
    CommitUnknown(s3::Error),
    /// Every other image would fail, too.
    #[error("{0}")]
    Systemic(Failure),
    #[error("objects that must be retried: {count}; the first is {first}")]
    RetryableFailures { count: usize, first: String },
}

impl Error {
    /// The cause, if every other image and every other invocation of this process would meet it, too.
    #[must_use]
    pub fn systemic(&self) -> Option<Systemic> {
        match self {
            Self::Systemic(failure) => failure.systemic,
            // Without access, no other chunk can be committed either.
            Self::Commit(error) if error.kind == ErrorKind::AccessDenied => Some(Systemic::Destination),
            Self::Commit(error) => Failure::from(error.clone()).systemic,
            // The caller must first find out whether the file was written.
            _ => None,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::UnknownEvent(_) => "UnknownEvent",
            Error::BadEvent { .. } => "BadEvent",
            Error::Overlap(_) => "DestinationInsideSource",
            Error::NoDestination => "NoDestination",
            Error::AttemptGivenUp { .. } => "AttemptGivenUp",
            Error::CommitUnknown(_) => "CommitFailed",
            Error::Systemic(_) | Error::Commit(_) => match error.systemic() {
                Some(Systemic::CredentialsExpired) => "CredentialsExpired",
                Some(Systemic::CredentialsRefused) => "CredentialsRefused",
                Some(Systemic::Source) => "SourceUnusable",
                Some(Systemic::Destination) => "DestinationRefused",
                None => "CommitFailed",
            },
            Error::RetryableFailures { .. } => "RetryableFailures",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
