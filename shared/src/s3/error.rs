//! Errors of S3. Every error is classified here.

use std::error::Error as StdError;
use std::fmt;
use std::iter::successors;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::protocol::failure::{Failure, FailureClass};

/// The kind of an error. It tells a caller what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object, its version or its bucket does not exist.
    NotFound,
    AccessDenied,
    /// The object must be restored before it can be read.
    Archived,
    /// The condition of `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// Another conditional write to the key is in progress. S3 asks to try again.
    Conflict,
    /// The object has no byte in the requested range.
    RangeNotSatisfiable,
    TooLarge,
    KeyTooLong,
    /// The response contradicts its headers, its checksum or the request.
    Corrupt,
    /// S3 or KMS asks for fewer requests.
    Throttled,
    Timeout,
    /// S3 or the network is unavailable, or the error is not known here.
    Internal,
}

impl ErrorKind {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Conflict | Self::Corrupt | Self::Throttled | Self::Timeout | Self::Internal => true,
            Self::NotFound
            | Self::AccessDenied
            | Self::Archived
            | Self::PreconditionFailed
            | Self::RangeNotSatisfiable
            | Self::TooLarge
            | Self::KeyTooLong => false,
        }
    }

    /// The failure class of an image whose request ended with this error.
    #[must_use]
    pub fn failure_class(self) -> FailureClass {
        match self {
            Self::NotFound => FailureClass::NotFound,
            Self::AccessDenied => FailureClass::AccessDenied,
            Self::Archived => FailureClass::Archived,
            Self::PreconditionFailed => FailureClass::Changed,
            Self::TooLarge => FailureClass::TooLarge,
            Self::KeyTooLong => FailureClass::KeyTooLong,
            Self::Corrupt => FailureClass::Corrupt,
            Self::Throttled => FailureClass::Throttled,
            Self::Timeout => FailureClass::Timeout,
            Self::Conflict | Self::RangeNotSatisfiable | Self::Internal => FailureClass::Internal,
        }
    }

    /// Classifies a code from "Error responses" in the S3 documentation.
    ///
    /// The status decides if S3 sends no body (HEAD), or a code that is not listed here.
    fn of(code: Option<&str>, status: Option<u16>) -> Self {
        match code {
            Some("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound") => Self::NotFound,
            Some("InvalidObjectState" | "ObjectNotInActiveTierError") => Self::Archived,
            Some("PreconditionFailed") => Self::PreconditionFailed,
            Some("ConditionalRequestConflict") => Self::Conflict,
            Some("InvalidRange") => Self::RangeNotSatisfiable,
            Some("EntityTooLarge") => Self::TooLarge,
            Some("KeyTooLongError") => Self::KeyTooLong,
            Some("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "IncompleteBody") => Self::Corrupt,
            Some("RequestTimeout") => Self::Timeout,
            Some(code) if is_throttle(code) => Self::Throttled,
            _ => match status {
                Some(403) => Self::AccessDenied,
                Some(404) => Self::NotFound,
                Some(412) => Self::PreconditionFailed,
                Some(429 | 503) => Self::Throttled,
                _ => Self::Internal,
            },
        }
    }
}

/// `SlowDown` and similar codes. Throttles of KMS arrive as `ThrottlingException` or `KMS.ThrottlingException`.
fn is_throttle(code: &str) -> bool {
    code == "SlowDown" || code.contains("Throttl") || code.contains("RequestLimitExceeded") || code == "TooManyRequests"
}

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
            _ => ErrorKind::of(error.code(), status),
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
        Self {
            kind: ErrorKind::Corrupt,
            operation,
            location: location.to_string(),
            source: Cause::Contradiction(contradiction.into()),
        }
    }

    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.kind.failure_class(), error.to_string())
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
            (Some(code), _) => Self::Service {
                code: code.to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
            },
            (None, Some(status)) => Self::Client(format!("{} (HTTP {status})", with_causes(error))),
            (None, None) => Self::Client(with_causes(error)),
        }
    }
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

    #[test]
    fn every_code_has_its_kind_and_class() {
        use ErrorKind as Kind;
        use FailureClass as Class;
        for (code, status, kind, class) in [
            (Some("NoSuchKey"), 404, Kind::NotFound, Class::NotFound),
            (None, 404, Kind::NotFound, Class::NotFound),
            (Some("AccessDenied"), 403, Kind::AccessDenied, Class::AccessDenied),
            (None, 403, Kind::AccessDenied, Class::AccessDenied),
            (Some("InvalidObjectState"), 403, Kind::Archived, Class::Archived),
            (
                Some("PreconditionFailed"),
                412,
                Kind::PreconditionFailed,
                Class::Changed,
            ),
            (Some("ConditionalRequestConflict"), 409, Kind::Conflict, Class::Internal),
            (Some("InvalidRange"), 416, Kind::RangeNotSatisfiable, Class::Internal),
            (Some("SlowDown"), 503, Kind::Throttled, Class::Throttled),
            (Some("KMS.ThrottlingException"), 400, Kind::Throttled, Class::Throttled),
            (Some("ServiceUnavailable"), 503, Kind::Throttled, Class::Throttled),
            (None, 503, Kind::Throttled, Class::Throttled),
            (Some("EntityTooLarge"), 400, Kind::TooLarge, Class::TooLarge),
            (Some("KeyTooLongError"), 400, Kind::KeyTooLong, Class::KeyTooLong),
            (Some("BadDigest"), 400, Kind::Corrupt, Class::Corrupt),
            (Some("RequestTimeout"), 400, Kind::Timeout, Class::Timeout),
            (Some("InternalError"), 500, Kind::Internal, Class::Internal),
        ] {
            let found = ErrorKind::of(code, Some(status));
            assert_eq!((found, found.failure_class()), (kind, class), "{code:?} {status}");
        }
    }

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
