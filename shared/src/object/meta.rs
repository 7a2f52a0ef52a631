use std::collections::HashMap;

use super::ETag;

/// What S3 says about an object, apart from its bytes.
#[derive(Clone, Debug, Default)]
pub struct ObjectMeta {
    pub etag: Option<ETag>,
    /// The size of the whole object, in bytes.
    pub size: u64,
    pub version_id: Option<String>,
    /// RFC 3339, UTC.
    pub last_modified: String,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_type: Option<String>,
    /// An HTTP date.
    pub expires: Option<String>,
    pub user_metadata: HashMap<String, String>,
    /// Whether the object has headers or user metadata that no request can repeat. They are left out here.
    pub has_other_headers: bool,
    /// Whether the `ETag` looks like the MD5 of the bytes, and is not. Two reads have agreed about the bytes.
    pub has_other_md5: bool,
}
