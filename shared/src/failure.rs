//! Why an object failed. Every error of S3 is classed here and nowhere else.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStreamError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde::{Deserialize, Serialize};

/// What a caller can do about a failed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    NotFound,
    AccessDenied,
    /// In Glacier or another archive tier: restore it first.
    Archived,
    /// Replaced or deleted since it was listed.
    Changed,
    /// More than this function can hold in this mode.
    TooLarge,
    /// The output key would be longer than 1,024 bytes.
    KeyTooLong,
    /// The bytes received contradict length or checksum.
    Corrupt,
    /// Still throttled after the retries, by S3 or KMS.
    Throttled,
    Timeout,
    Internal,
}

impl Class {
    /// Whether the same request may well succeed later.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Corrupt | Self::Throttled | Self::Timeout | Self::Internal)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One failed object, or one failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: Class,
    pub message: String,
}

impl Failure {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }

    /// Classes an error of the SDK. `what` says which request, on what.
    pub fn of<E>(what: impl fmt::Display, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.code();
        let class = match error {
            SdkError::TimeoutError(_) => Class::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Class::Timeout,
            _ => class_of(code, status),
        };
        let message = match (code, error.message(), status) {
            (Some(code), Some(text), _) => format!("{what}: {code}: {text}"),
            (Some(code), None, _) => format!("{what}: {code}"),
            (None, _, Some(status)) => format!("{what}: {} (HTTP {status})", with_causes(error)),
            (None, _, None) => format!("{what}: {}", with_causes(error)),
        };
        Self { class, message }
    }

    /// Classes an error while a body was received.
    pub fn of_body(what: impl fmt::Display, error: &ByteStreamError) -> Self {
        let causes = with_causes(error);
        let class =
            if causes.contains("minimum throughput") || causes.contains("timeout") || causes.contains("timed out") {
                Class::Timeout
            } else {
                Class::Corrupt
            };
        Self::new(class, format!("{what}: {causes}"))
    }
}

/// An error and all that led to it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let causes: Vec<String> = successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}

/// Codes as S3 documents them under "Error responses"; the status decides where S3 sends no body
/// (HEAD) or a code that is not listed here.
fn class_of(code: Option<&str>, status: Option<u16>) -> Class {
    match code {
        Some("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound") => Class::NotFound,
        Some("InvalidObjectState" | "ObjectNotInActiveTierError") => Class::Archived,
        Some("PreconditionFailed") => Class::Changed,
        Some("EntityTooLarge") => Class::TooLarge,
        Some("KeyTooLongError") => Class::KeyTooLong,
        Some("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "IncompleteBody") => Class::Corrupt,
        Some("RequestTimeout") => Class::Timeout,
        Some(code) if is_throttle(code) => Class::Throttled,
        _ => match status {
            Some(403) => Class::AccessDenied,
            Some(404) => Class::NotFound,
            Some(412) => Class::Changed,
            Some(429 | 503) => Class::Throttled,
            _ => Class::Internal,
        },
    }
}

/// `SlowDown` and its kin; KMS throttles reach us as `ThrottlingException` or under its own name.
fn is_throttle(code: &str) -> bool {
    code == "SlowDown" || code.contains("Throttl") || code.contains("RequestLimitExceeded") || code == "TooManyRequests"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_class() {
        for (code, status, class) in [
            (Some("NoSuchKey"), 404, Class::NotFound),
            (None, 404, Class::NotFound),
            (Some("AccessDenied"), 403, Class::AccessDenied),
            (None, 403, Class::AccessDenied),
            (Some("InvalidObjectState"), 403, Class::Archived),
            (Some("PreconditionFailed"), 412, Class::Changed),
            (Some("SlowDown"), 503, Class::Throttled),
            (Some("KMS.ThrottlingException"), 400, Class::Throttled),
            (Some("ServiceUnavailable"), 503, Class::Throttled),
            (None, 503, Class::Throttled),
            (Some("KeyTooLongError"), 400, Class::KeyTooLong),
            (Some("BadDigest"), 400, Class::Corrupt),
            (Some("RequestTimeout"), 400, Class::Timeout),
            (Some("InternalError"), 500, Class::Internal),
        ] {
            assert_eq!(class_of(code, Some(status)), class, "{code:?} {status}");
        }
    }

    #[test]
    fn classes_are_named_as_in_responses() {
        assert_eq!(Class::KeyTooLong.to_string(), "key_too_long");
        assert_eq!(serde_json::to_string(&Class::NotFound).unwrap(), "\"not_found\"");
    }
}
