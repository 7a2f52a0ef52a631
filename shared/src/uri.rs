//! `s3://bucket/prefix`: where images come from and where results go.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A bucket and a plain (not URL-encoded) key prefix.
///
/// The prefix is taken as S3 takes it: `s3://photos/2024` also matches `2024-old/`.
///
/// ```
/// use shared::uri::S3Uri;
///
/// let source: S3Uri = "s3://photos/2024/".parse()?;
/// assert_eq!((source.bucket.as_str(), source.prefix.as_str()), ("photos", "2024/"));
/// assert_eq!("photos/2024/".parse::<S3Uri>().unwrap_err().to_string(),
///            "\"photos/2024/\" is no S3 URI: it must start with s3://, as in s3://bucket/prefix/");
/// # Ok::<(), shared::uri::UriError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct S3Uri {
    pub bucket: String,
    pub prefix: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("{0:?} is no S3 URI: it must start with s3://, as in s3://bucket/prefix/")]
    Scheme(String),
    #[error(
        "{0:?} is no bucket name: 3 to 63 lowercase letters, digits, dots and hyphens, \
         a letter or digit at both ends"
    )]
    Bucket(String),
    #[error(
        "{0:?} is a directory bucket: S3 lists those in no order, so they cannot be processed; \
         use a general purpose bucket"
    )]
    DirectoryBucket(String),
    #[error("the prefix of {0:?} is longer than 1,024 bytes, the longest key S3 knows")]
    Prefix(String),
}

impl S3Uri {
    pub fn new(bucket: &str, prefix: &str) -> Result<Self, UriError> {
        check_bucket(bucket)?;
        if prefix.len() > crate::key::MAX_BYTES {
            return Err(UriError::Prefix(prefix.to_owned()));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

fn check_bucket(name: &str) -> Result<(), UriError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let valid = (3..=63).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'.' || b == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain);
    if !valid {
        return Err(UriError::Bucket(name.to_owned()));
    }
    if name.ends_with("--x-s3") {
        return Err(UriError::DirectoryBucket(name.to_owned()));
    }
    Ok(())
}

impl FromStr for S3Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text
            .strip_prefix("s3://")
            .ok_or_else(|| UriError::Scheme(text.to_owned()))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(bucket, prefix)
    }
}

impl TryFrom<String> for S3Uri {
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

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
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
        }
        assert_eq!("s3://photos".parse::<S3Uri>().unwrap().to_string(), "s3://photos/");
    }

    #[test]
    fn bad_uris_say_what_is_wrong() {
        for (text, part) in [
            ("photos/2024", "must start with s3://"),
            ("", "must start with s3://"),
            ("S3://photos", "must start with s3://"),
            ("s3://", "no bucket name"),
            ("s3:///key", "no bucket name"),
            ("s3://ab", "no bucket name"),
            ("s3://Photos/", "no bucket name"),
            ("s3://-photos/", "no bucket name"),
            ("s3://photos--usw2-az1--x-s3/", "directory bucket"),
        ] {
            let error = text.parse::<S3Uri>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let long = format!("s3://photos/{}", "x".repeat(1025));
        assert!(matches!(long.parse::<S3Uri>(), Err(UriError::Prefix(_))));
    }
}
