use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError, DateTime, DateTimeFormat};
use bytes::{Bytes, BytesMut};

use super::{quoted, unquoted};
use crate::failure::{Class, Failure};

/// How often a body is asked for that breaks off or stalls: the SDK itself retries only up to the headers.
const BODY_ATTEMPTS: u32 = 6;

/// The wait before the second of these; before the third it is twice as long, and so on.
const BODY_WAIT: Duration = Duration::from_millis(50);

/// A body may say it is longer than this; memory is set aside only for what has come then.
const MOST_SET_ASIDE: usize = 64 * 1024 * 1024;

/// One object as it was listed or announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectId {
    pub bucket: String,
    pub key: String,
    pub version_id: Option<String>,
    /// Without its quotes. Empty where it is not known.
    pub etag: String,
    /// In bytes, where it is known.
    pub size: Option<u64>,
}

impl ObjectId {
    /// Whatever object the key holds now.
    #[must_use]
    pub fn any(bucket: &str, key: String) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key,
            version_id: None,
            etag: String::new(),
            size: None,
        }
    }

    /// `If-Match` for this object.
    #[must_use]
    pub fn if_match(&self) -> Option<String> {
        (!self.etag.is_empty()).then(|| quoted(&self.etag))
    }
}

/// What S3 says of an object beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Without its quotes.
    pub etag: String,
    /// The whole object, in bytes.
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
}

/// Reads an object, or a range of its bytes. An object replaced since it was listed is `changed`. A body
/// that stalls, breaks off or is not as long as it should be is asked for again.
pub async fn get(client: &Client, object: &ObjectId, mut range: Option<Range<u64>>) -> Result<(Head, Bytes), Failure> {
    let mut attempt = 1;
    loop {
        match get_once(client, object, range.clone()).await {
            Ok(read) => return Ok(read),
            // No range fits an empty object.
            Err(Ended::NoSuchRange(_)) if range.as_ref().is_some_and(|range| range.start == 0) => range = None,
            Err(Ended::WrongBody(_)) if attempt < BODY_ATTEMPTS => {
                tokio::time::sleep(BODY_WAIT * attempt).await;
                attempt += 1;
            }
            Err(Ended::NoSuchRange(failure) | Ended::WrongBody(failure) | Ended::Failed(failure)) => {
                return Err(failure);
            }
        }
    }
}

/// Why one attempt at a read ended.
enum Ended {
    /// The request failed, with all the attempts that the SDK makes.
    Failed(Failure),
    NoSuchRange(Failure),
    WrongBody(Failure),
}

async fn get_once(client: &Client, object: &ObjectId, range: Option<Range<u64>>) -> Result<(Head, Bytes), Ended> {
    let what = format_args!("GetObject s3://{}/{}", object.bucket, object.key).to_string();
    let mut output = client
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_if_match(object.if_match())
        .set_range(
            range
                .as_ref()
                .map(|range| format!("bytes={}-{}", range.start, range.end - 1)),
        )
        .send()
        .await
        .map_err(|error| {
            let failure = Failure::of(&what, &error);
            match error.code() {
                Some("InvalidRange") => Ended::NoSuchRange(failure),
                _ => Ended::Failed(failure),
            }
        })?;
    let corrupt = |problem: String| Ended::WrongBody(Failure::new(Class::Corrupt, format!("{what}: {problem}")));
    let asked = range.as_ref().map(|range| range.end - range.start);
    let announced = output.content_length.and_then(|length| u64::try_from(length).ok());
    if let (Some(asked), Some(announced)) = (asked, announced)
        && announced > asked
    {
        // A server that knows no ranges would send all of an object of any size.
        return Err(corrupt(format!(
            "{announced} bytes were to come where {asked} were asked for"
        )));
    }
    if let (None, Some(size), Some(announced)) = (asked, object.size, announced)
        && announced > size
    {
        let error = format!("{what}: it has {announced} bytes, not {size} as was said");
        return Err(Ended::Failed(Failure::new(Class::Changed, error)));
    }
    let body = std::mem::take(&mut output.body);
    let bytes = collect(body, announced)
        .await
        .map_err(|error| Ended::WrongBody(Failure::of_body(&what, &error)))?;
    let head = head_of(output).map_err(Ended::Failed)?;
    let range = range.unwrap_or(0..head.size);
    let asked = range.end.min(head.size).saturating_sub(range.start);
    if bytes.len() as u64 != asked {
        return Err(corrupt(format!(
            "{} bytes came where {asked} were asked for",
            bytes.len()
        )));
    }
    Ok((head, bytes))
}

/// All of a body. Taken piece by piece into memory of the right size, it is never held twice, and what
/// the connection read ahead is let go.
async fn collect(mut body: ByteStream, announced: Option<u64>) -> Result<Bytes, ByteStreamError> {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(MOST_SET_ASIDE));
    while let Some(part) = body.next().await.transpose()? {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

/// The object that a key, or one version of it, holds now: its size, its `ETag`, its version.
pub async fn head(client: &Client, object: &ObjectId) -> Result<ObjectId, Failure> {
    let what = format_args!("HeadObject s3://{}/{}", object.bucket, object.key).to_string();
    let output = client
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version_id.clone())
        .set_if_match(object.if_match())
        .send()
        .await
        .map_err(|error| Failure::of(&what, &error))?;
    let size = output.content_length.and_then(|length| u64::try_from(length).ok());
    if size.is_none() {
        return Err(Failure::new(
            Class::Corrupt,
            format!("{what}: the response has no valid length"),
        ));
    }
    Ok(ObjectId {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        version_id: output.version_id,
        etag: unquoted(&output.e_tag.unwrap_or_default()).to_owned(),
        size,
    })
}

fn head_of(output: GetObjectOutput) -> Result<Head, Failure> {
    let length = output.content_length.and_then(|length| u64::try_from(length).ok());
    // "bytes 0-131071/4194304": of a ranged read only this tells the size of the whole.
    let size = match output.content_range.as_deref().and_then(|range| range.rsplit_once('/')) {
        Some((_, total)) => total.parse().ok(),
        None => length,
    };
    let last_modified = output.last_modified.as_ref().map(rfc3339).transpose()?;
    Ok(Head {
        etag: unquoted(output.e_tag.as_deref().unwrap_or_default()).to_owned(),
        size: size.ok_or_else(|| Failure::new(Class::Corrupt, "GetObject: the response has no valid length"))?,
        version_id: output.version_id,
        last_modified: last_modified.unwrap_or_default(),
        cache_control: output.cache_control,
        content_disposition: output.content_disposition,
        content_encoding: output.content_encoding,
        content_language: output.content_language,
        content_type: output.content_type,
        expires: output.expires_string,
        user_metadata: output.metadata.unwrap_or_default(),
    })
}

fn rfc3339(time: &DateTime) -> Result<String, Failure> {
    time.fmt(DateTimeFormat::DateTime)
        .map_err(|error| Failure::new(Class::Internal, format!("Last-Modified: {error}")))
}
