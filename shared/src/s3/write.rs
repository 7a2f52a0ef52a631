use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use bytes::Bytes;

use super::{Head, ObjectId, quoted, unquoted};
use crate::failure::Failure;
use crate::key;

/// What must hold for a conditional write to write.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// The key is not taken.
    New,
    /// The key holds the object with this `ETag` (without its quotes).
    Matches(&'a str),
}

/// Whether a conditional write wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// With the `ETag` of what was written, without its quotes.
    Done(String),
    /// The condition did not hold: nothing was changed.
    Refused,
}

/// Writes an object whether or not the key is taken.
pub async fn put(client: &Client, bucket: &str, key: &str, content_type: &str, body: Bytes) -> Result<(), Failure> {
    client
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type(content_type)
        .body(ByteStream::from(body))
        .send()
        .await
        .map_err(|error| Failure::of(format_args!("PutObject s3://{bucket}/{key}"), &error))?;
    Ok(())
}

/// Writes an object if a condition holds.
///
/// A retry after a lost answer may find what it wrote itself and report [`Written::Refused`].
pub async fn put_if(
    client: &Client,
    bucket: &str,
    key: &str,
    content_type: &str,
    body: Bytes,
    condition: Condition<'_>,
) -> Result<Written, Failure> {
    let mut wait = Duration::from_millis(50);
    loop {
        let request = client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body.clone()));
        let request = match condition {
            Condition::New => request.if_none_match("*"),
            Condition::Matches(etag) => request.if_match(quoted(etag)),
        };
        let error = match request.send().await {
            Ok(output) => {
                let etag = output.e_tag.unwrap_or_default();
                return Ok(Written::Done(unquoted(&etag).to_owned()));
            }
            Err(error) => error,
        };
        match (error.code(), condition) {
            // An object that is to be replaced but is gone answers NoSuchKey.
            (Some("PreconditionFailed"), _) | (Some("NoSuchKey"), Condition::Matches(_)) => {
                return Ok(Written::Refused);
            }
            // Another write to the key is under way: S3 asks to try again, and one of us will be first.
            (Some("ConditionalRequestConflict"), _) if wait < Duration::from_secs(3) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            _ => return Err(Failure::of(format_args!("PutObject s3://{bucket}/{key}"), &error)),
        }
    }
}

/// Uploads an image with the headers and user metadata of its source, and `added` metadata on top.
pub async fn put_image(
    client: &Client,
    bucket: &str,
    key: &str,
    body: Bytes,
    head: Head,
    added: HashMap<String, String>,
) -> Result<(), Failure> {
    let expires = expires(&head);
    let mut metadata = head.user_metadata;
    metadata.extend(added);
    client
        .put_object()
        .bucket(bucket)
        .key(key)
        .set_cache_control(head.cache_control)
        .set_content_disposition(head.content_disposition)
        .set_content_encoding(head.content_encoding)
        .set_content_language(head.content_language)
        .set_content_type(head.content_type)
        .set_expires(expires)
        .set_metadata(Some(metadata))
        .body(ByteStream::from(body))
        // To sign it takes a SHA-256 of all of it. The checksum that the SDK sends along is signed, and S3
        // refuses a body that it does not fit.
        .customize()
        .disable_payload_signing()
        .send()
        .await
        .map_err(|error| Failure::of(format_args!("PutObject s3://{bucket}/{key}"), &error))?;
    Ok(())
}

/// Copies an image inside S3. Tags are not taken along: that would need permissions of its own.
///
/// With `added` metadata S3 drops every header and all user metadata that is not repeated, so all of
/// `head` is; without, S3 keeps them by itself.
pub async fn copy_image(
    client: &Client,
    source: &ObjectId,
    bucket: &str,
    key: &str,
    head: Head,
    added: HashMap<String, String>,
) -> Result<(), Failure> {
    let mut request = client
        .copy_object()
        .bucket(bucket)
        .key(key)
        .copy_source(key::copy_source(
            &source.bucket,
            &source.key,
            source.version_id.as_deref(),
        ))
        .set_copy_source_if_match(source.if_match())
        .tagging_directive(TaggingDirective::Replace);
    if !added.is_empty() {
        let expires = expires(&head);
        let mut metadata = head.user_metadata;
        metadata.extend(added);
        request = request
            .metadata_directive(MetadataDirective::Replace)
            .set_cache_control(head.cache_control)
            .set_content_disposition(head.content_disposition)
            .set_content_encoding(head.content_encoding)
            .set_content_language(head.content_language)
            .set_content_type(head.content_type)
            .set_expires(expires)
            .set_metadata(Some(metadata));
    }
    request.send().await.map_err(|error| {
        Failure::of(
            format_args!(
                "CopyObject s3://{}/{} to s3://{bucket}/{key}",
                source.bucket, source.key
            ),
            &error,
        )
    })?;
    Ok(())
}

/// `Expires` may hold any text; S3 takes back only what is a date.
pub(super) fn expires(head: &Head) -> Option<DateTime> {
    DateTime::from_str(head.expires.as_deref()?, DateTimeFormat::HttpDate).ok()
}
