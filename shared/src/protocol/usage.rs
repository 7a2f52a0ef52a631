//! What an invocation used.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::stages::Stages;

/// The number of requests of each kind that AWS prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    pub list: u64,
    pub get: u64,
    pub head: u64,
    pub put: u64,
    pub copy: u64,
    pub invoke: u64,
}

impl Requests {
    /// One request, given S3's name of its operation. An operation that is free or never sent counts as none.
    #[must_use]
    pub fn one(operation: &str) -> Self {
        let mut requests = Self::default();
        match operation {
            "ListObjectsV2" | "ListObjectAnnotations" => requests.list = 1,
            "GetObject" => requests.get = 1,
            "HeadObject" | "HeadBucket" => requests.head = 1,
            "PutObject"
            | "PutObjectAnnotation"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "CompleteMultipartUpload" => requests.put = 1,
            "CopyObject" | "UploadPartCopy" => requests.copy = 1,
            _ => {}
        }
        requests
    }

    /// All requests to S3.
    #[must_use]
    pub fn to_s3(&self) -> u64 {
        self.list + self.get + self.head + self.put + self.copy
    }
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Self) {
        self.list += other.list;
        self.get += other.get;
        self.head += other.head;
        self.put += other.put;
        self.copy += other.copy;
        self.invoke += other.invoke;
    }
}

/// What one invocation or several used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Requests sent. Each retry counts.
    pub requests: Requests,
    /// Requests that S3 throttled, with `SlowDown` or a similar error.
    pub throttled: u64,
    /// Bytes of images that were read.
    pub bytes_read: u64,
    /// Bytes of images and records that the function sent, without copies inside S3.
    pub bytes_written: u64,
    pub elapsed_ms: u64,
    /// CPU time of all threads of the process.
    pub cpu_ms: u64,
    /// CPU time that the process could have used: `elapsed_ms` times its vCPUs, or times its share of one vCPU.
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
