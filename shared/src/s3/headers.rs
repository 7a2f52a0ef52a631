//! The headers that an output takes over from its source.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use crate::object::ObjectMeta;

/// Gives a request that creates an object the headers and user metadata of its source, and the `added` metadata.
///
/// A macro, because each operation of the SDK has a builder type of its own.
macro_rules! with_headers {
    ($request:expr, $meta:expr, $added:expr) => {{
        let meta = $meta;
        let expires = $crate::s3::headers::expires(&meta);
        let mut metadata = meta.user_metadata;
        metadata.extend($added);
        $request
            .set_cache_control(meta.cache_control)
            .set_content_disposition(meta.content_disposition)
            .set_content_encoding(meta.content_encoding)
            .set_content_language(meta.content_language)
            .set_content_type(meta.content_type)
            .set_expires(expires)
            .set_metadata(Some(metadata))
    }};
}

pub(super) use with_headers;

/// The source's `Expires`, if it is a date. The source can have any text there, but only a date can be written.
pub(super) fn expires(meta: &ObjectMeta) -> Option<DateTime> {
    DateTime::from_str(meta.expires.as_deref()?, DateTimeFormat::HttpDate).ok()
}
