//! Reads objects. Each read carries the `ETag` that the object was listed with, and each body is checked.

use std::io;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use futures::stream;
use tokio::io::AsyncBufRead;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::error::{Cause, Error, ErrorKind, with_causes};
use crate::object::{Bucket, ETag, ObjectMeta, ObjectRef, ObjectUri};

/// A body that breaks off or stalls is requested again. The SDK itself retries only until the headers have arrived.
const BODY_RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_factor(1.5)
    .with_max_times(5);

/// A body that sends no byte for this long has stalled. S3's usual pauses are shorter. A new request costs little,
/// while a chunk waits for its slowest image.
const STALL_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// The most memory that is reserved before a body has arrived. For a body that claims to be longer, memory grows with
/// the bytes that arrive.
const MAX_RESERVED_BYTES: usize = 64 * 1024 * 1024;

/// Reads an object, or a range of its bytes.
///
/// A body that stalls, breaks off, or is not what was asked for is requested again.
///
/// # Errors
/// [`ErrorKind::PreconditionFailed`] if the object was replaced after it was listed.
pub async fn get_object(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<Range<u64>>,
) -> Result<(ObjectMeta, Bytes), Error> {
    let starts_at_zero = range.as_ref().is_some_and(|range| range.start == 0);
    let result = get_retried(client, bucket, object, range).await;
    match result {
        // No range fits an empty object.
        Err(error) if error.kind == ErrorKind::RangeNotSatisfiable && starts_at_zero => {
            get_retried(client, bucket, object, None).await
        }
        result => result,
    }
}

/// Reads one of our own files.
pub async fn get_latest(client: &Client, uri: &ObjectUri) -> Result<(ObjectMeta, Bytes), Error> {
    get_object(client, &uri.bucket, &ObjectRef::latest(uri.key.clone()), None).await
}

/// Opens one of our own files as a stream. With `etag`, only if the file is still in that state.
///
/// # Errors
/// The reader fails with [`io::ErrorKind::TimedOut`] when the body stalls.
pub async fn open_latest(
    client: &Client,
    uri: &ObjectUri,
    etag: Option<&ETag>,
) -> Result<(ObjectMeta, impl AsyncBufRead + use<>), Error> {
    let object = ObjectRef {
        etag: etag.cloned(),
        ..ObjectRef::latest(uri.key.clone())
    };
    let mut output = send(client, &uri.bucket, &object, None).await?;
    let body = std::mem::take(&mut output.body);
    let meta = meta_of(output).map_err(|problem| Error::corrupt(GET_OBJECT, uri, problem))?;
    let chunks = stream::unfold(body, async |mut body| {
        let chunk = next_chunk(&mut body).await.transpose()?;
        Some((chunk.map_err(io::Error::from), body))
    });
    Ok((meta, StreamReader::new(Box::pin(chunks))))
}

const GET_OBJECT: &str = "GetObject";

async fn get_retried(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<Range<u64>>,
) -> Result<(ObjectMeta, Bytes), Error> {
    let read = || get_once(client, bucket, object, range.clone());
    let result = read
        .retry(BODY_RETRIES)
        .when(|ended| matches!(ended, Ended::BadBody(_)));
    result.await.map_err(|ended| match ended {
        Ended::Failed(error) | Ended::BadBody(error) => error,
    })
}

/// Why a read ended without its bytes.
enum Ended {
    /// The request failed, after all retries of the SDK.
    Failed(Error),
    /// The headers have arrived, but they or the body are wrong.
    BadBody(Error),
}

async fn send(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<&Range<u64>>,
) -> Result<GetObjectOutput, Error> {
    client
        .get_object()
        .bucket(bucket.as_str())
        .key(object.key.as_str())
        .set_version_id(object.version_id.clone())
        .set_if_match(object.if_match())
        .set_range(range.map(|range| format!("bytes={}-{}", range.start, range.end - 1)))
        .send()
        .await
        .map_err(|error| Error::from_sdk(GET_OBJECT, location(bucket, object), &error))
}

async fn get_once(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<Range<u64>>,
) -> Result<(ObjectMeta, Bytes), Ended> {
    let corrupt = |problem: String| Ended::BadBody(Error::corrupt(GET_OBJECT, location(bucket, object), problem));
    let mut output = send(client, bucket, object, range.as_ref())
        .await
        .map_err(Ended::Failed)?;
    let announced = output.content_length.and_then(|length| u64::try_from(length).ok());
    if let Some(range) = &range {
        check_range(range, output.content_range.as_deref(), announced).map_err(corrupt)?;
    } else if let (Some(size), Some(announced)) = (object.size, announced)
        && announced > size
    {
        return Err(Ended::Failed(Error {
            kind: ErrorKind::PreconditionFailed,
            operation: GET_OBJECT,
            location: location(bucket, object),
            source: Cause::Contradiction(format!("the object has {announced} bytes instead of {size}")),
        }));
    }
    let mut body = std::mem::take(&mut output.body);
    let bytes = collect(&mut body, announced)
        .await
        .map_err(|error| Ended::BadBody(error.at(bucket, object)))?;
    let meta = meta_of(output).map_err(corrupt)?;
    let range = range.unwrap_or(0..meta.size);
    let wanted = range.end.min(meta.size).saturating_sub(range.start);
    if bytes.len() as u64 != wanted {
        return Err(corrupt(format!(
            "received {} bytes where {wanted} were asked for",
            bytes.len()
        )));
    }
    Ok((meta, bytes))
}

/// Checks that a response holds the range that was asked for: `bytes 0-131071/4194304`, as in RFC 9110, 14.4.
///
/// A server that does not support ranges sends the whole object, of any size, without this header.
fn check_range(wanted: &Range<u64>, content_range: Option<&str>, announced: Option<u64>) -> Result<(), String> {
    let length = wanted.end - wanted.start;
    if let Some(announced) = announced.filter(|&announced| announced > length) {
        return Err(format!(
            "the response has {announced} bytes where {length} were asked for"
        ));
    }
    let Some(content_range) = content_range else {
        // A whole object that is not longer than the range is the right answer, too.
        return if wanted.start == 0 {
            Ok(())
        } else {
            Err("the response does not say which range it holds".to_owned())
        };
    };
    let start = content_range
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('-'))
        .and_then(|(start, _)| start.parse().ok());
    if start == Some(wanted.start) {
        Ok(())
    } else {
        Err(format!(
            "the range {content_range:?} came where bytes from {} on were asked for",
            wanted.start
        ))
    }
}

/// Why a body ended too early.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("no byte arrived for {} s", STALL_GRACE_PERIOD.as_secs())]
    Stalled,
    /// The connection broke off, or the bytes do not match the checksum.
    #[error("{0}")]
    Broken(String),
}

impl BodyError {
    fn at(self, bucket: &Bucket, object: &ObjectRef) -> Error {
        Error {
            kind: match self {
                Self::Stalled => ErrorKind::Timeout,
                Self::Broken(_) => ErrorKind::Corrupt,
            },
            operation: GET_OBJECT,
            location: location(bucket, object),
            source: Cause::Client(self.to_string()),
        }
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Stalled => io::ErrorKind::TimedOut,
            BodyError::Broken(_) => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error)
    }
}

/// The next piece of a body. `None` at its end.
async fn next_chunk(body: &mut ByteStream) -> Result<Option<Bytes>, BodyError> {
    match timeout(STALL_GRACE_PERIOD, body.next()).await {
        Err(_) => Err(BodyError::Stalled),
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(BodyError::Broken(with_causes(&error))),
    }
}

/// Reads a whole body.
///
/// Each piece is copied into memory of the right size. So the body is never held twice, and the connection can free
/// what it read ahead.
async fn collect(body: &mut ByteStream, announced: Option<u64>) -> Result<Bytes, BodyError> {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(MAX_RESERVED_BYTES));
    while let Some(chunk) = next_chunk(body).await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Asks for the size, the `ETag` and the version of the object that a key, or one version of it, holds now.
pub async fn head_object(client: &Client, bucket: &Bucket, object: &ObjectRef) -> Result<ObjectRef, Error> {
    const HEAD_OBJECT: &str = "HeadObject";
    let output = client
        .head_object()
        .bucket(bucket.as_str())
        .key(object.key.as_str())
        .set_version_id(object.version_id.clone())
        .set_if_match(object.if_match())
        .send()
        .await
        .map_err(|error| Error::from_sdk(HEAD_OBJECT, location(bucket, object), &error))?;
    let size = output.content_length.and_then(|length| u64::try_from(length).ok());
    if size.is_none() {
        return Err(Error::corrupt(HEAD_OBJECT, location(bucket, object), NO_LENGTH));
    }
    Ok(ObjectRef {
        key: object.key.clone(),
        size,
        etag: output.e_tag.as_deref().and_then(ETag::parse),
        version_id: output.version_id,
        storage_class: None,
    })
}

const NO_LENGTH: &str = "the response has no valid length";

fn meta_of(output: GetObjectOutput) -> Result<ObjectMeta, String> {
    let length = output.content_length.and_then(|length| u64::try_from(length).ok());
    // "bytes 0-131071/4194304": for a ranged read, only this header has the size of the whole object.
    let size = match output.content_range.as_deref().and_then(|range| range.rsplit_once('/')) {
        Some((_, total)) => total.parse().ok(),
        None => length,
    };
    let last_modified = output.last_modified.as_ref().map(rfc3339).transpose()?;
    Ok(ObjectMeta {
        etag: output.e_tag.as_deref().and_then(ETag::parse),
        size: size.ok_or(NO_LENGTH)?,
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

fn rfc3339(time: &DateTime) -> Result<String, String> {
    time.fmt(DateTimeFormat::DateTime)
        .map_err(|error| format!("the Last-Modified header is invalid: {error}"))
}

fn location(bucket: &Bucket, object: &ObjectRef) -> String {
    format!("s3://{bucket}/{}", object.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_range_than_the_requested_one_is_refused() {
        for (wanted, content_range, announced, problem) in [
            (0..10, Some("bytes 0-9/20"), Some(10), None),
            (0..10, Some("bytes 0-4/5"), Some(5), None),
            (0..10, None, Some(5), None),
            (5..10, Some("bytes 5-9/20"), None, None),
            (5..10, Some("bytes 6-10/20"), Some(5), Some("bytes from 5 on")),
            (0..10, Some("bytes 10-19/20"), Some(10), Some("bytes from 0 on")),
            (5..10, Some("items 5-9/20"), Some(5), Some("bytes from 5 on")),
            (5..10, Some("bytes"), Some(5), Some("bytes from 5 on")),
            (5..10, None, Some(5), Some("does not say which range")),
            (0..10, None, Some(20), Some("20 bytes where 10")),
        ] {
            let found = check_range(&wanted, content_range, announced).err();
            assert_eq!(
                found.is_some(),
                problem.is_some(),
                "{wanted:?} {content_range:?}: {found:?}"
            );
            assert!(found.unwrap_or_default().contains(problem.unwrap_or_default()));
        }
    }
}
