//! The path and the query of a request, decoded.

use hyper::Uri;
use percent_encoding::percent_decode_str;
use s3s::{S3Result, s3_error};

/// The bucket and the key of a request for an object. Clients of this server put the bucket into the path.
pub fn path(uri: &Uri) -> S3Result<(String, String)> {
    let path = percent_decode_str(uri.path()).decode_utf8().ok();
    let path = path.as_deref().and_then(|path| path.strip_prefix('/'));
    match path.and_then(|path| path.split_once('/')) {
        Some((bucket, key)) if !key.is_empty() => Ok((bucket.to_owned(), key.to_owned())),
        _ => Err(s3_error!(InvalidRequest, "the request names no object")),
    }
}

/// Whether the query has a field, with a value or without one.
pub fn has_field(uri: &Uri, name: &str) -> bool {
    fields(uri).any(|(found, _)| found == name)
}

/// The value of a field of the query.
pub fn field(uri: &Uri, name: &str) -> Option<String> {
    let (_, value) = fields(uri).find(|(found, _)| *found == name)?;
    percent_decode_str(value).decode_utf8().ok().map(Into::into)
}

fn fields(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    let fields = uri.query().unwrap_or_default().split('&');
    fields.map(|field| field.split_once('=').unwrap_or((field, "")))
}
