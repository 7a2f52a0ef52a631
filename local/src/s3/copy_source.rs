//! The source of `CopyObject` and `UploadPartCopy`.

use std::sync::Arc;

use s3s::dto::{CopySource, ETagCondition};
use s3s::{S3Result, s3_error};

use super::conditions::check_readable;
use super::object::Object;
use super::service::Service;

/// The most that one request may copy: 5 GiB.
const MAX_SOURCE_BYTES: u64 = 5 << 30;

pub struct Source<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub version_id: Option<&'a str>,
}

impl<'a> Source<'a> {
    pub fn of(source: &'a CopySource) -> S3Result<Self> {
        match source {
            CopySource::Bucket {
                bucket,
                key,
                version_id,
            } => Ok(Self {
                bucket,
                key,
                version_id: version_id.as_deref(),
            }),
            _ => Err(s3_error!(NotImplemented, "the copy source must be bucket/key")),
        }
    }

    /// Returns the object if its conditions hold.
    pub fn read(
        &self,
        service: &Service,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Arc<Object>> {
        let object = service.object(self.bucket, self.key, self.version_id)?;
        check_readable(&object, if_match, if_none_match)?;
        Ok(object)
    }

    /// Whether the copy would replace its own source.
    pub fn is(&self, bucket: &str, key: &str) -> bool {
        self.version_id.is_none() && self.bucket == bucket && self.key == key
    }
}

pub fn check_copied_bytes(bytes: u64) -> S3Result<()> {
    if bytes > MAX_SOURCE_BYTES {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_SOURCE_BYTES}"
        ));
    }
    Ok(())
}
