//! What an object holds of its annotations.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest, Md5};
use parking_lot::Mutex;
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;

pub(super) const CRC64NVME: &str = "x-amz-checksum-crc64nvme";

/// One annotation of one version of an object.
#[derive(Clone, Debug)]
pub struct Annotation {
    pub payload: Bytes,
    pub etag: String,
    pub last_modified: SystemTime,
    /// The header of the checksum, and its value.
    pub(super) checksum: (&'static str, String),
}

impl Annotation {
    pub(super) fn new(payload: Bytes, last_modified: SystemTime, checksum: (&'static str, String)) -> Self {
        Self {
            etag: hex::encode(Md5::digest(&payload)),
            payload,
            last_modified,
            checksum,
        }
    }
}

/// The annotations of one version of an object, by name. A clone has copies of them.
#[derive(Debug, Default)]
pub struct Annotations(pub(super) Mutex<BTreeMap<String, Annotation>>);

impl Clone for Annotations {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }
}

impl Annotations {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Annotation> {
        self.0.lock().get(name).cloned()
    }

    /// Attaches an annotation without HTTP.
    pub fn put(&self, name: &str, payload: Bytes, last_modified: SystemTime) {
        let checksum = (CRC64NVME, checksums(&payload).checksum_crc64nvme.unwrap_or_default());
        let annotation = Annotation::new(payload, last_modified, checksum);
        self.0.lock().insert(name.to_owned(), annotation);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

pub(super) fn checksums(payload: &[u8]) -> Checksum {
    let mut hasher = ChecksumHasher {
        crc32: Some(s3s::crypto::Crc32::default()),
        crc32c: Some(s3s::crypto::Crc32c::default()),
        sha1: Some(s3s::crypto::Sha1::default()),
        sha256: Some(s3s::crypto::Sha256::default()),
        crc64nvme: Some(s3s::crypto::Crc64Nvme::default()),
    };
    hasher.update(payload);
    hasher.finalize()
}
