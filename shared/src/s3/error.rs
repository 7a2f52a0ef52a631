//! Errors of S3.

use std::error::Error as StdError;
use std::fmt;
use std::iter::successors;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::error_kind::ErrorKind;
use crate::protocol::failure::{Failure, Systemic};

/// A store that does not know annotations refuses this operation.
pub(super) const LIST_OBJECT_ANNOTATIONS: &str = "ListObjectAnnotations";

/// A request to S3 that failed, after all its retries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} {location}: {source}")]
pub struct Error {
    pub kind: ErrorKind,
    /// S3's name of the operation.
    pub operation: &'static str,
    /// `s3://bucket/key` or `s3://bucket/prefix`.
    pub location: String,
    pub source: Cause,
}

/// The cause of a failed request, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// S3 responded with an error.
    #[error("{code}{}{}", if message.is_empty() { "" } else { ": " }, message)]
    Service { code: String, message: String },
    /// There was no response, or it cannot be read.
    #[error("{0}")]
    Client(String),
    /// The response contradicts the request or itself.
    #[error("{0}")]
    Contradiction(String),
}

impl Error {
    /// Classifies an error of the SDK.
    pub fn from_sdk<E>(operation: &'static str, location: impl fmt::Display, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let kind = match error {
            SdkError::TimeoutError(_) => ErrorKind::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => ErrorKind::Timeout,
            // The response cannot be read.
            SdkError::ResponseError(_) => ErrorKind::Corrupt,
            _ => ErrorKind::of(error.code(), error.message().unwrap_or_default(), status),
        };
        Self {
            kind,
            operation,
            location: location.to_string(),
            source: Cause::from_sdk(error),
        }
    }

    /// An error for a response that contradicts its request or itself.
    pub fn corrupt(operation: &'static str, location: impl fmt::Display, contradiction: impl Into<String>) -> Self {
        Self::contradiction(ErrorKind::Corrupt, operation, location, contradiction)
    }

    /// An error for a store that does not do what S3 does.
    pub fn incompatible(operation: &'static str, location: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::contradiction(ErrorKind::Incompatible, operation, location, problem)
    }

    fn contradiction(
        kind: ErrorKind,
        operation: &'static str,
        location: impl fmt::Display,
        contradiction: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            operation,
            location: location.to_string(),
            source: Cause::Contradiction(contradiction.into()),
        }
    }

    /// The same error with another cause.
    pub(super) fn with_cause(&self, problem: String) -> Self {
        Self {
            source: Cause::Client(problem),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// Whether other requests would meet the same error.
    fn systemic(&self) -> Option<Systemic> {
        match self.kind {
            ErrorKind::ExpiredCredentials => Some(Systemic::CredentialsExpired),
            ErrorKind::BadCredentials => Some(Systemic::CredentialsRefused),
            ErrorKind::NoSuchBucket | ErrorKind::OtherRegion => Some(match self.operation {
                "GetObject" | "HeadObject" | "ListObjectsV2" | LIST_OBJECT_ANNOTATIONS | "PutObjectAnnotation" => {
                    Systemic::Source
                }
                // A copy comes after a read of its source, so its destination is the cause.
                _ => Systemic::Destination,
            }),
            ErrorKind::Incompatible if self.operation == LIST_OBJECT_ANNOTATIONS => Some(Systemic::Source),
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            systemic: error.systemic(),
            ..Self::new(error.kind.failure_class(), error.to_string())
        }
    }
}

impl Cause {
    /// What an AWS service, or the client, says about a failed request.
    pub fn from_sdk<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (error.code(), status) {
            (code, Some(301 | 302 | 307 | 308 | 400)) if region(error).is_some() => Self::Service {
                code: code.unwrap_or("PermanentRedirect").to_owned(),
                message: format!(
                    "the bucket is in region {}, and the function's client uses another one",
                    region(error).unwrap_or_default()
                ),
            },
            (Some(code), _) => Self::Service {
                code: code.to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
            },
            (None, Some(status)) => Self::Client(format!("{} (HTTP {status})", with_causes(error))),
            (None, None) => Self::Client(with_causes(error)),
        }
    }
}

/// The region of the bucket, which S3 names if a request went to another one.
fn region<E>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.raw_response()?.headers().get("x-amz-bucket-region")
}

/// An error and all its causes, in one line.
pub(super) fn with_causes(error: &dyn StdError) -> String {
    let causes: Vec<String> = successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::failure::FailureClass;

    #[test]
    fn an_error_is_one_line() {
        let error = Error::corrupt(
            "GetObject",
            "s3://photos/a.jpg",
            "received 5 bytes where 6 were asked for",
        );
        let failure = Failure::from(error);
        assert_eq!(failure.class, FailureClass::Corrupt);
        assert_eq!(
            failure.message,
            "GetObject s3://photos/a.jpg: received 5 bytes where 6 were asked for"
        );
    }
}
