//! What fanout asks of a processor, and what the processor answers.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bound::Reading;
use crate::failure::Class;
use crate::modes::{Images, Records};
use crate::s3::Requests;
use crate::stages::Stages;
use crate::uri::S3Uri;

/// The number of one dispatch of a chunk, `<generation>-<sequence>`, never used again within a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Attempt {
    /// Which invocation of fanout sent it.
    pub generation: u32,
    pub sequence: u64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no attempt: it must be <generation>-<sequence>, as in 1-23")]
pub struct AttemptError(String);

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.sequence)
    }
}

impl FromStr for Attempt {
    type Err = AttemptError;

    fn from_str(text: &str) -> Result<Self, AttemptError> {
        let parse = || -> Option<Result<Self, ParseIntError>> {
            let (generation, sequence) = text.split_once('-')?;
            Some(generation.parse().and_then(|generation| {
                Ok(Self {
                    generation,
                    sequence: sequence.parse()?,
                })
            }))
        };
        parse()
            .and_then(Result::ok)
            .ok_or_else(|| AttemptError(text.to_owned()))
    }
}

impl TryFrom<String> for Attempt {
    type Error = AttemptError;

    fn try_from(text: String) -> Result<Self, AttemptError> {
        text.parse()
    }
}

impl From<Attempt> for String {
    fn from(attempt: Attempt) -> Self {
        attempt.to_string()
    }
}

/// One object of a chunk. Keys are plain, `ETag`s without their quotes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    pub key: String,
    /// In bytes; absent where a list of keys does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Empty where a list of keys does not say it.
    #[serde(default)]
    pub etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Only of an object that must be restored before it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkRequest {
    pub job_id: String,
    pub chunk: u64,
    pub attempt: Attempt,
    pub source_bucket: String,
    pub source_prefix: String,
    pub destination: S3Uri,
    pub images: Images,
    pub records: Records,
    /// Images in flight.
    pub concurrency: usize,
    /// This invocation's share of the job's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests_per_second: Option<f64>,
    pub objects: Vec<ObjectRef>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedKey {
    pub key: String,
    pub class: Class,
    pub error: String,
}

/// Of an error message this much is kept, in bytes of JSON: an answer with many of them must stay below
/// Lambda's 6 MB.
pub const MAX_ERROR_BYTES: usize = 300;

impl FailedKey {
    #[must_use]
    pub fn new(key: String, class: Class, error: &str) -> Self {
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

/// The outcome of every object of a chunk: `ok + skipped + failed + unprocessed` is their number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkResponse {
    pub job_id: String,
    pub chunk: u64,
    pub attempt: String,
    pub ok: u64,
    pub with_exif: u64,
    pub skipped: u64,
    pub failed: Vec<FailedKey>,
    /// Not started before the deadline: to be sent again.
    pub unprocessed: Vec<String>,
    /// Images in flight that the processor settled at.
    #[serde(default)]
    pub concurrency: usize,
    #[serde(flatten)]
    pub usage: Usage,
    /// What bounded it; absent where no image was done.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
}

/// What an invocation used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Requests sent, each retry counted.
    pub requests: Requests,
    /// Requests answered with `SlowDown` or another throttle.
    pub throttled: u64,
    /// Bytes of image data.
    pub bytes_read: u64,
    /// Bytes sent by us: images uploaded and records, not what S3 copies by itself.
    pub bytes_written: u64,
    pub elapsed_ms: u64,
    /// CPU time of the process, all threads.
    pub cpu_ms: u64,
    /// CPU time that the process could have used: `elapsed_ms` on each vCPU that it has, or on its part of one.
    #[serde(default)]
    pub vcpu_ms: u64,
    pub stages: Stages,
}

impl Usage {
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.throttled += other.throttled;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.elapsed_ms += other.elapsed_ms;
        self.cpu_ms += other.cpu_ms;
        self.vcpu_ms += other.vcpu_ms;
        self.stages.merge(&other.stages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_round_trip() {
        let attempt: Attempt = "1-23".parse().unwrap();
        assert_eq!((attempt.generation, attempt.sequence), (1, 23));
        assert_eq!(attempt.to_string(), "1-23");
        for bad in ["", "1", "1-", "-1", "a-b", "1-2-3"] {
            assert!(bad.parse::<Attempt>().is_err(), "{bad}");
        }
    }
}
