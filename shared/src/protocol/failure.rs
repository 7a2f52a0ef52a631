//! Why an object failed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::Key;

/// What a caller can do about a failed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
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

impl FailureClass {
    /// Whether the same request may well succeed later.
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

/// Why one object failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: FailureClass,
    pub message: String,
}

impl Failure {
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }
}

/// A failed object, as responses and the files of failed keys carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedKey {
    pub key: Key,
    pub class: FailureClass,
    pub error: String,
}

/// Of an error message this much is kept, in bytes of JSON: a response with many of them must stay below
/// Lambda's 6 MB.
pub const MAX_ERROR_BYTES: usize = 300;

impl FailedKey {
    #[must_use]
    pub fn new(key: Key, class: FailureClass, error: &str) -> Self {
        let json = |character: char| match character {
            '"' | '\\' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        let mut left = MAX_ERROR_BYTES;
        let error = error.chars().take_while(|&character| {
            let fits = json(character) <= left;
            left = left.saturating_sub(json(character));
            fits
        });
        Self {
            key,
            class,
            error: error.collect(),
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
