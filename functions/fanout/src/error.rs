//! The errors of an invocation of fanout.

use lambda_runtime::Diagnostic;

use shared::s3::ErrorKind;

use crate::attempt::FenceError;
use crate::request::BadRequest;
use crate::session::hand_over::HandOverError;
use crate::source::{self, ManifestError};
use crate::store::{self, ConditionsError};

/// Why an invocation has no response. After a job has started, a problem is the reason in its report. It is an error
/// only if the destination can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    #[error("the source cannot be listed: {0}")]
    Source(source::Error),
    #[error("manifest: {0}")]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// The job goes on: its schedule starts it again.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
}

impl Error {
    /// The error of a job whose keys cannot be read.
    pub(crate) fn listing(error: source::Error, has_manifest: bool) -> Self {
        if has_manifest {
            Self::Manifest(error.into())
        } else {
            Self::Source(error)
        }
    }
}

impl Error {
    /// The kind of the request to S3 that failed, if that is the cause.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        let (Self::Source(source::Error::Request(error))
        | Self::Manifest(ManifestError::Request(error) | ManifestError::List(source::Error::Request(error)))
        | Self::Store(store::Error::Request(error) | store::Error::Conditions(ConditionsError::Request(error)))
        | Self::Fence(FenceError {
            source: store::Error::Request(error),
            ..
        })) = self
        else {
            return None;
        };
        Some(error.kind)
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match error {
            _ if error.kind() == Some(ErrorKind::ExpiredCredentials) => "CredentialsExpired",
            _ if error.kind() == Some(ErrorKind::BadCredentials) => "CredentialsRefused",
            Error::BadRequest(_) => "BadRequest",
            Error::Source(_) => "SourceFailed",
            Error::Manifest(_) => "ManifestFailed",
            Error::Store(
                store::Error::Request(_)
                | store::Error::Conditions(_)
                | store::Error::Busy { .. }
                | store::Error::Occupied { .. }
                | store::Error::Task(_),
            )
            | Error::Fence(_) => "DestinationFailed",
            Error::HandOver(_) => "HandOverFailed",
            Error::Store(store::Error::NoSuchJob { .. }) => "NoSuchJob",
            Error::Store(store::Error::Unreadable { .. }) => "CheckpointFailed",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
