//! Why an object failed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::json_text;
use crate::object::Key;
use crate::strip::Refused;

/// Why an object failed, as one word. It tells a caller what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The mode cannot process an image of this format.
    Unsupported,
    NotFound,
    AccessDenied,
    /// In an archive storage class, such as Glacier. It must be restored first.
    Archived,
    /// Replaced or deleted after it was listed.
    Changed,
    /// More of the object must be read than the function can hold in this mode.
    TooLarge,
    /// The output key would be longer than 1,024 bytes.
    KeyTooLong,
    /// The received bytes do not match the length or the checksum, or the image contradicts its own format.
    Corrupt,
    /// S3 or KMS throttled the request and its retries.
    Throttled,
    Timeout,
    Internal,
}

impl FailureClass {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Corrupt | Self::Throttled | Self::Timeout | Self::Internal)
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A cause that other objects would meet, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Systemic {
    /// The session of the function's credentials has ended. Another process has other ones.
    CredentialsExpired,
    /// S3 does not accept the function's credentials.
    CredentialsRefused,
    /// The bucket of the source does not exist, or is in another region.
    Source,
    /// The bucket of the destination does not exist, or is in another region.
    Destination,
}

/// Why one object failed: its failure class, and a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: FailureClass,
    pub message: String,
    pub systemic: Option<Systemic>,
    /// Whether it is certain to occur again, whatever its class says.
    pub is_permanent: bool,
}

impl Failure {
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            systemic: None,
            is_permanent: false,
        }
    }

    /// A failure whose cause is in the image itself.
    pub fn permanent(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            is_permanent: true,
            ..Self::new(class, message)
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let class = match refused {
            Refused::Unsupported(_) => FailureClass::Unsupported,
            Refused::Left(_) => FailureClass::Internal,
        };
        Self::permanent(class, refused.to_string())
    }
}

/// A failed object, as in responses and in the files of failed keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedKey {
    pub key: Key,
    /// Whether `key` is URL-encoded, because it is not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub url_encoded: bool,
    pub class: FailureClass,
    pub error: String,
}

/// The most bytes that an error message may take as JSON. Longer messages are cut, because a response with many of
/// them must stay below Lambda's 6 MB.
pub const MAX_ERROR_BYTES: usize = 300;

impl FailedKey {
    /// Cuts the error message to [`MAX_ERROR_BYTES`].
    #[must_use]
    pub fn new(key: Key, class: FailureClass, error: &str) -> Self {
        Self {
            key,
            url_encoded: false,
            class,
            error: json_text::cut(error, MAX_ERROR_BYTES).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_as_in_responses() {
        assert_eq!(FailureClass::KeyTooLong.to_string(), "key_too_long");
        assert_eq!(serde_json::to_string(&FailureClass::NotFound).unwrap(), "\"not_found\"");
    }
}
