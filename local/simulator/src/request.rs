//! What a request to S3 is about.

use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

#[derive(Clone, Debug)]
pub struct Named {
    pub operation: &'static str,
    pub bucket: String,
    pub key: String,
}

impl Named {
    pub fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Self {
            operation: operation(request, key),
            bucket: bucket.to_owned(),
            key: percent_decode_str(key).decode_utf8_lossy().into_owned(),
        }
    }

    /// Whether it changes what S3 stores.
    pub fn is_write(&self) -> bool {
        !matches!(
            self.operation,
            "GetObject" | "HeadObject" | "ListObjectsV2" | "HeadBucket"
        )
    }
}

fn operation<B>(request: &Request<B>, key: &str) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|field| field.split('=').next() == Some(name));
    let is_copy = request.headers().contains_key("x-amz-copy-source");
    match *request.method() {
        Method::GET if key.is_empty() => "ListObjectsV2",
        Method::GET => "GetObject",
        Method::HEAD if key.is_empty() => "HeadBucket",
        Method::HEAD => "HeadObject",
        Method::PUT if has("partNumber") && is_copy => "UploadPartCopy",
        Method::PUT if has("partNumber") => "UploadPart",
        Method::PUT if is_copy => "CopyObject",
        Method::PUT => "PutObject",
        Method::POST if has("uploads") => "CreateMultipartUpload",
        Method::POST => "CompleteMultipartUpload",
        Method::DELETE if has("uploadId") => "AbortMultipartUpload",
        _ => "DeleteObject",
    }
}
