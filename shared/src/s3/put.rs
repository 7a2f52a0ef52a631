//! Writes objects whose bytes pass through the function.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;

use super::error::{Error, ErrorKind};
use super::headers::with_headers;
use crate::object::{ETag, ObjectMeta, ObjectUri};

const PUT_OBJECT: &str = "PutObject";

/// Retries while another write to the same key is in progress, for about 3 s.
const CONFLICT_RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_factor(2.0)
    .with_max_times(6);

/// The condition of a conditional write.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// `If-None-Match: *`: the key holds no object.
    Absent,
    /// `If-Match`: the key holds the object with this `ETag`.
    Matches(&'a ETag),
}

/// The result of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionalWrite {
    /// The object was written, and has this `ETag`.
    Written(ETag),
    /// The condition did not hold, and nothing was changed.
    ConditionFailed,
}

/// Writes an object, even if the key holds another one.
pub async fn put_object(client: &Client, target: &ObjectUri, content_type: &str, body: Bytes) -> Result<(), Error> {
    request(client, target, content_type, body)
        .send()
        .await
        .map_err(|error| Error::from_sdk(PUT_OBJECT, target, &error))?;
    Ok(())
}

/// Writes an object if a condition holds.
///
/// If a response was lost, the retry may find the object that the first request wrote. The result is then
/// [`ConditionalWrite::ConditionFailed`], although the object was written.
pub async fn put_object_if(
    client: &Client,
    target: &ObjectUri,
    content_type: &str,
    body: Bytes,
    condition: Condition<'_>,
) -> Result<ConditionalWrite, Error> {
    let put = || put_once(client, target, content_type, body.clone(), condition);
    put.retry(CONFLICT_RETRIES)
        .when(|error| error.kind == ErrorKind::Conflict)
        .await
}

async fn put_once(
    client: &Client,
    target: &ObjectUri,
    content_type: &str,
    body: Bytes,
    condition: Condition<'_>,
) -> Result<ConditionalWrite, Error> {
    let request = request(client, target, content_type, body);
    let request = match condition {
        Condition::Absent => request.if_none_match("*"),
        Condition::Matches(etag) => request.if_match(etag.to_header()),
    };
    let error = match request.send().await {
        Ok(output) => {
            let etag = output.e_tag.as_deref().and_then(ETag::parse);
            let etag = etag.ok_or_else(|| Error::corrupt(PUT_OBJECT, target, "the response has no ETag"))?;
            return Ok(ConditionalWrite::Written(etag));
        }
        Err(error) => Error::from_sdk(PUT_OBJECT, target, &error),
    };
    match (error.kind, condition) {
        // For `If-Match` on a key that holds no object, S3 responds with NoSuchKey.
        (ErrorKind::PreconditionFailed, _) | (ErrorKind::NotFound, Condition::Matches(_)) => {
            Ok(ConditionalWrite::ConditionFailed)
        }
        _ => Err(error),
    }
}

fn request(client: &Client, target: &ObjectUri, content_type: &str, body: Bytes) -> PutObjectFluentBuilder {
    client
        .put_object()
        .bucket(target.bucket.as_str())
        .key(target.key.as_str())
        .content_type(content_type)
        .body(ByteStream::from(body))
}

/// Uploads an image with the headers and user metadata of its source, and with the `added` metadata.
pub async fn put_image(
    client: &Client,
    target: &ObjectUri,
    body: Bytes,
    meta: ObjectMeta,
    added: HashMap<String, String>,
) -> Result<(), Error> {
    let request = client
        .put_object()
        .bucket(target.bucket.as_str())
        .key(target.key.as_str());
    with_headers!(request, meta, added)
        .body(ByteStream::from(body))
        // Signing the body would take a SHA-256 of all of it. The SDK signs a checksum instead, and S3 refuses a body
        // that does not match it.
        .customize()
        .disable_payload_signing()
        .send()
        .await
        .map_err(|error| Error::from_sdk(PUT_OBJECT, target, &error))?;
    Ok(())
}
