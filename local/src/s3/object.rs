use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::annotation::Annotations;
use super::body::Body;
use super::headers::Headers;

/// One object: its bytes, and everything that S3 returns with them.
#[derive(Clone, Debug)]
pub struct Object {
    pub body: Body,
    /// As in S3: the MD5 of the bytes, or `<MD5>-<number of parts>` after a multipart upload. For a body with runs, the
    /// digest does not cover every byte.
    pub etag: String,
    /// In whole seconds, as in S3.
    pub last_modified: SystemTime,
    pub headers: Headers,
    /// A checksum of all bytes, as CRC-64/NVME in base64. S3 has none for most objects that were written before
    /// December 2024, and for a body with runs there is none here.
    pub checksum: Option<String>,
    /// Who encrypts the object: `AES256` is S3 itself. With a KMS key, the `ETag` is not an MD5.
    pub encryption: Option<String>,
    pub storage_class: Option<String>,
    /// Whether an archived object was restored, so that it can be read for some time.
    pub restored: bool,
    /// Present in a versioned bucket.
    pub version_id: Option<String>,
    pub annotations: Annotations,
}

impl Object {
    #[must_use]
    pub fn new(body: Body, headers: Headers) -> Self {
        let etag = body.digest();
        Self::with_etag(body, etag, headers)
    }

    /// An object of any size that takes no memory: see [`Body::long`].
    #[must_use]
    pub fn long(front: Bytes, len: u64, headers: Headers) -> Self {
        Self::new(Body::long(front, len), headers)
    }

    pub(super) fn with_etag(body: Body, etag: String, headers: Headers) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let checksum = body.checksum().filter(|_| !etag.contains('-'));
        Self {
            encryption: checksum.as_ref().map(|_| "AES256".to_owned()),
            checksum,
            body,
            etag,
            last_modified: UNIX_EPOCH + Duration::from_secs(since_1970.as_secs()),
            headers,
            storage_class: None,
            restored: false,
            version_id: None,
            annotations: Annotations::default(),
        }
    }
}
