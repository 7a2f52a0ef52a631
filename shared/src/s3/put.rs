//! Writes objects whose bytes pass through the function.

use std::collections::HashMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;

use super::contradiction::{sent, written};
use super::error::Error;
use super::error_kind::ErrorKind;
use super::headers::with_headers;
use crate::object::{ETag, ObjectMeta, ObjectUri};

const PUT_OBJECT: &str = "PutObject";

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
    sent(|| {
        let request = request(client, target, content_type, body.clone());
        async move { checked(target, request.send().await).map(drop) }
    })
    .await
}

/// The `ETag` of the object that a request has written.
fn checked(
    target: &ObjectUri,
    output: Result<PutObjectOutput, SdkError<PutObjectError, HttpResponse>>,
) -> Result<ETag, Error> {
    let output = output.map_err(|error| Error::from_sdk(PUT_OBJECT, target, &error))?;
    written(output.e_tag()).map_err(|problem| Error::corrupt(PUT_OBJECT, target, problem))
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
    sent(|| {
        let request = request(client, target, content_type, body.clone());
        put_once(request, target, condition)
    })
    .await
}

/// Writes an object with a tag, unless the key holds an object. The tag is `KEY=VALUE`, URL-encoded.
pub async fn put_tagged(
    client: &Client,
    target: &ObjectUri,
    content_type: &str,
    body: Bytes,
    tag: &str,
) -> Result<ConditionalWrite, Error> {
    sent(|| {
        let request = request(client, target, content_type, body.clone()).tagging(tag);
        put_once(request, target, Condition::Absent)
    })
    .await
}

async fn put_once(
    request: PutObjectFluentBuilder,
    target: &ObjectUri,
    condition: Condition<'_>,
) -> Result<ConditionalWrite, Error> {
    let request = match condition {
        Condition::Absent => request.if_none_match("*"),
        Condition::Matches(etag) => request.if_match(etag.to_header()),
    };
    match checked(target, request.send().await) {
        Ok(etag) => Ok(ConditionalWrite::Written(etag)),
        Err(error) => match (error.kind, condition) {
            // For `If-Match` on a key that holds no object, S3 responds with NoSuchKey.
            (ErrorKind::PreconditionFailed, _) | (ErrorKind::NotFound, Condition::Matches(_)) => {
                Ok(ConditionalWrite::ConditionFailed)
            }
            _ => Err(error),
        },
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
    sent(|| {
        let request = client
            .put_object()
            .bucket(target.bucket.as_str())
            .key(target.key.as_str());
        let request = with_headers!(request, meta.clone(), added.clone())
            .body(ByteStream::from(body.clone()))
            // Signing the body would take a SHA-256 of all of it. The SDK signs a checksum instead, and S3 refuses a
            // body that does not match it.
            .customize()
            .disable_payload_signing();
        async move { checked(target, request.send().await).map(drop) }
    })
    .await
}
