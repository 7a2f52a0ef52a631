use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a general purpose bucket. Clones share the text.
///
/// | text | result |
/// |---|---|
/// | `photos`, `my.photos-2` | valid |
/// | `ab`, `Photos`, `-photos` | [`BucketError::Invalid`] |
/// | `photos--usw2-az1--x-s3` | [`BucketError::Directory`] |
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bucket(Arc<str>);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    #[error(
        "{0:?} is not a bucket name: it must have 3 to 63 lowercase letters, digits, dots and hyphens, \
         and start and end with a letter or digit"
    )]
    Invalid(String),
    #[error(
        "{0:?} is a directory bucket: S3 does not list its keys in order, so it cannot be used; \
         use a general purpose bucket"
    )]
    Directory(String),
}

impl Bucket {
    /// Checks a name. Source: "General purpose bucket naming rules" in the S3 User Guide.
    pub fn new(name: &str) -> Result<Self, BucketError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = (3..=63).contains(&name.len())
            && name.bytes().all(|byte| plain(byte) || byte == b'.' || byte == b'-')
            && name.bytes().next().is_some_and(plain)
            && name.bytes().last().is_some_and(plain);
        if !valid {
            return Err(BucketError::Invalid(name.to_owned()));
        }
        if name.ends_with("--x-s3") {
            return Err(BucketError::Directory(name.to_owned()));
        }
        Ok(Self(name.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Bucket {
    type Error = BucketError;

    fn try_from(name: String) -> Result<Self, BucketError> {
        Self::new(&name)
    }
}

impl From<Bucket> for String {
    fn from(bucket: Bucket) -> Self {
        bucket.0.as_ref().to_owned()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for name in ["photos", "my.photos-2", "123"] {
            assert_eq!(Bucket::new(name).unwrap().as_str(), name);
        }
        for name in ["", "ab", "Photos", "-photos", "photos-", "a_b", &"x".repeat(64)] {
            assert!(matches!(Bucket::new(name), Err(BucketError::Invalid(_))), "{name}");
        }
        assert!(matches!(
            Bucket::new("photos--usw2-az1--x-s3"),
            Err(BucketError::Directory(_))
        ));
    }
}
