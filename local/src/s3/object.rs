use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::body::Body;
use super::headers::Headers;

/// One object: its bytes and all that comes back with them.
#[derive(Clone, Debug)]
pub struct Object {
    pub body: Body,
    /// MD5 of the bytes, as S3 has it for objects uploaded in one piece; or what tells this body from
    /// others, where that is enough.
    pub etag: String,
    /// Whole seconds, as S3 keeps it.
    pub last_modified: SystemTime,
    pub headers: Headers,
    pub storage_class: Option<String>,
    /// An archived object of which a copy can be read for a while.
    pub restored: bool,
    /// Set by a versioned bucket.
    pub version_id: Option<String>,
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
        Self {
            body,
            etag,
            last_modified: UNIX_EPOCH + Duration::from_secs(since_1970.as_secs()),
            headers,
            storage_class: None,
            restored: false,
            version_id: None,
        }
    }
}
