//! `s3://bucket/prefix` and `s3://bucket/key`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::key::MAX_KEY_BYTES;
use super::{Bucket, BucketError, Key, Prefix};

/// A bucket and a plain prefix (not URL-encoded): a source or a destination.
///
/// ```
/// use shared::object::S3Uri;
///
/// let source: S3Uri = "s3://photos/2024/".parse()?;
/// assert_eq!((source.bucket.as_str(), source.prefix.as_str()), ("photos", "2024/"));
/// assert_eq!("photos/2024/".parse::<S3Uri>().unwrap_err().to_string(),
///            "\"photos/2024/\" is not an S3 URI: it must start with s3://, as in s3://bucket/prefix/");
/// # Ok::<(), shared::object::UriError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct S3Uri {
    pub bucket: Bucket,
    pub prefix: Prefix,
}

/// One object of our own, such as a manifest or a checkpoint, in the state that its key holds when it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectUri {
    pub bucket: Bucket,
    pub key: Key,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("{0:?} is not an S3 URI: it must start with s3://, as in s3://bucket/prefix/")]
    Scheme(String),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("{0:?} has more than 1,024 bytes, which is the most that S3 accepts in a key")]
    TooLong(String),
}

/// The bucket, and the text after it.
fn split(text: &str) -> Result<(Bucket, &str), UriError> {
    let rest = text
        .strip_prefix("s3://")
        .ok_or_else(|| UriError::Scheme(text.to_owned()))?;
    let (bucket, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = Bucket::new(bucket)?;
    if rest.len() > MAX_KEY_BYTES {
        return Err(UriError::TooLong(rest.to_owned()));
    }
    Ok((bucket, rest))
}

impl S3Uri {
    /// Whether some keys start with both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.prefix.overlaps(&other.prefix)
    }
}

impl FromStr for S3Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (bucket, prefix) = split(text)?;
        Ok(Self {
            bucket,
            prefix: prefix.into(),
        })
    }
}

impl FromStr for ObjectUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (bucket, key) = split(text)?;
        Ok(Self {
            bucket,
            key: key.into(),
        })
    }
}

impl TryFrom<String> for S3Uri {
    type Error = UriError;

    fn try_from(text: String) -> Result<Self, UriError> {
        text.parse()
    }
}

impl TryFrom<String> for ObjectUri {
    type Error = UriError;

    fn try_from(text: String) -> Result<Self, UriError> {
        text.parse()
    }
}

impl From<S3Uri> for String {
    fn from(uri: S3Uri) -> Self {
        uri.to_string()
    }
}

impl From<ObjectUri> for String {
    fn from(uri: ObjectUri) -> Self {
        uri.to_string()
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_uris_round_trip() {
        for (text, bucket, prefix) in [
            ("s3://photos/", "photos", ""),
            ("s3://photos/2024", "photos", "2024"),
            ("s3://my.photos-2/a b/+%/é", "my.photos-2", "a b/+%/é"),
            ("s3://photos//leading", "photos", "/leading"),
        ] {
            let uri: S3Uri = text.parse().unwrap();
            assert_eq!((uri.bucket.as_str(), uri.prefix.as_str()), (bucket, prefix));
            assert_eq!(uri.to_string(), text);
            let object: ObjectUri = text.parse().unwrap();
            assert_eq!((object.key.as_str(), object.to_string().as_str()), (prefix, text));
        }
        assert_eq!("s3://photos".parse::<S3Uri>().unwrap().to_string(), "s3://photos/");
    }

    #[test]
    fn bad_uris_say_what_is_wrong() {
        for (text, part) in [
            ("photos/2024", "must start with s3://"),
            ("", "must start with s3://"),
            ("S3://photos", "must start with s3://"),
            ("s3://", "not a bucket name"),
            ("s3:///key", "not a bucket name"),
            ("s3://ab", "not a bucket name"),
            ("s3://Photos/", "not a bucket name"),
            ("s3://-photos/", "not a bucket name"),
            ("s3://photos--usw2-az1--x-s3/", "directory bucket"),
        ] {
            let error = text.parse::<S3Uri>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let long = format!("s3://photos/{}", "x".repeat(1025));
        assert!(matches!(long.parse::<S3Uri>(), Err(UriError::TooLong(_))));
    }
}
