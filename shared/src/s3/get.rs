//! Reads objects. Each read carries the `ETag` that the object was listed with, and each response is checked.

use std::io;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use futures::stream;
use md5::{Digest, Md5};
use tokio::io::AsyncBufRead;
use tokio::time::sleep;
use tokio_util::io::StreamReader;

use super::agreement::{self, Agreed, Contradiction, GET_OBJECT};
use super::body::{BodyError, collect, next_chunk, pass};
use super::error::{Cause, Error};
use super::error_kind::ErrorKind;
use super::head::{Unconfirmed, confirm};
use super::meter::count;
use super::raw;
use crate::object::{Bucket, ETag, ObjectMeta, ObjectRef, ObjectUri};

/// A body that breaks off or stalls is requested again. The SDK itself retries only until the headers have arrived.
const BODY_RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_factor(1.5)
    .with_max_times(5);

/// Reads an object, or a range of its bytes.
///
/// A body that stalls, breaks off, or is not what was asked for is requested again.
///
/// # Errors
/// [`ErrorKind::PreconditionFailed`] if the object was replaced after it was listed, and [`ErrorKind::Corrupt`] if the
/// response still contradicts the request, the listing or itself after all retries.
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

/// Reads a range of an object and gives each piece to `sink`, in order. Nothing is kept.
///
/// If the body stalls or breaks off, the rest of the range is requested again.
///
/// # Errors
/// As [`get_object`].
pub async fn stream_object(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Range<u64>,
    mut sink: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let mut delays = BODY_RETRIES.build();
    let mut at = range.start;
    loop {
        let error = match stream_once(client, bucket, object, at..range.end, |bytes| {
            at += bytes.len() as u64;
            sink(bytes);
        })
        .await
        {
            Ok(()) => return Ok(()),
            Err(Ended::Failed(error)) => return Err(error),
            Err(Ended::Wrong(error)) => error,
            Err(Ended::OtherMd5(read)) => read.error,
        };
        match delays.next() {
            Some(delay) => sleep(delay).await,
            None => return Err(error),
        }
    }
}

async fn stream_once(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Range<u64>,
    sink: impl FnMut(&[u8]),
) -> Result<(), Ended> {
    let mut output = send(client, bucket, object, Some(&range))
        .await
        .map_err(Ended::Failed)?;
    let agreed = agreement::compare(object, Some(&range), &output)
        .map_err(|contradiction| Ended::Wrong(contradiction.at(bucket, object)))?;
    let expected = agreed.range.end - agreed.range.start;
    pass(&mut output.body, expected, sink)
        .await
        .map_err(|error| Ended::Wrong(body_error(&error, bucket, object)))
}

/// Reads one of our own files.
pub async fn get_latest(client: &Client, uri: &ObjectUri) -> Result<(ObjectMeta, Bytes), Error> {
    get_object(client, &uri.bucket, &ObjectRef::latest(uri.key.clone()), None).await
}

/// Opens a file as a stream. With `etag`, only if the file is still in that state.
///
/// A body that is too short looks like a shorter file. So another request asks for the size, and the stream ends with an
/// error if it has another length.
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
    let agreed =
        agreement::compare(&object, None, &output).map_err(|contradiction| contradiction.at(&uri.bucket, &object))?;
    let confirmed = confirm(client, &uri.bucket, &object, &agreed).await;
    confirmed.map_err(|(Unconfirmed::Failed(error) | Unconfirmed::Wrong(error))| error)?;
    let (body, size) = (std::mem::take(&mut output.body), agreed.size);
    let meta = meta(output, agreed).map_err(|problem| Error::corrupt(GET_OBJECT, uri, problem))?;
    let chunks = stream::try_unfold(
        (body, 0, size),
        async |(mut body, received, expected)| match next_chunk(&mut body).await? {
            Some(chunk) => {
                let received = received + chunk.len() as u64;
                Ok(Some((chunk, (body, received, expected))))
            }
            None if received == expected => Ok(None),
            None => Err(io::Error::from(BodyError::WrongLength { received, expected })),
        },
    );
    Ok((meta, StreamReader::new(Box::pin(chunks))))
}

/// Why a read ended without its bytes.
enum Ended {
    /// The request failed, after all retries of the SDK.
    Failed(Error),
    /// The headers have arrived, but they or the body are wrong.
    Wrong(Error),
    /// The bytes do not have the MD5 that their `ETag` states.
    OtherMd5(Box<OtherMd5>),
}

impl From<Unconfirmed> for Ended {
    fn from(unconfirmed: Unconfirmed) -> Self {
        match unconfirmed {
            Unconfirmed::Failed(error) => Self::Failed(error),
            Unconfirmed::Wrong(error) => Self::Wrong(error),
        }
    }
}

struct OtherMd5 {
    error: Error,
    md5: [u8; 16],
    agreed: Agreed,
    meta: ObjectMeta,
    bytes: Bytes,
}

async fn get_retried(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<Range<u64>>,
) -> Result<(ObjectMeta, Bytes), Error> {
    let mut delays = BODY_RETRIES.build();
    let mut last_md5 = None;
    loop {
        let error = match get_once(client, bucket, object, range.clone()).await {
            Ok(read) => return Ok(read),
            Err(Ended::Failed(error)) => return Err(error),
            Err(Ended::Wrong(error)) => error,
            // Some stores have ETags that look like an MD5 and are none. But a response that is too short may come twice.
            Err(Ended::OtherMd5(read)) if last_md5 == Some(read.md5) => {
                match confirm(client, bucket, object, &read.agreed).await {
                    Ok(()) => {
                        let meta = ObjectMeta {
                            has_other_md5: true,
                            ..read.meta
                        };
                        return Ok((meta, read.bytes));
                    }
                    Err(Unconfirmed::Failed(error)) => return Err(error),
                    Err(Unconfirmed::Wrong(error)) => error,
                }
            }
            Err(Ended::OtherMd5(read)) => {
                last_md5 = Some(read.md5);
                read.error
            }
        };
        match delays.next() {
            Some(delay) => sleep(delay).await,
            None => return Err(error),
        }
    }
}

async fn send(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<&Range<u64>>,
) -> Result<GetObjectOutput, Error> {
    let request = || {
        client
            .get_object()
            .bucket(bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(object.version_id.clone())
            .set_if_match(object.if_match())
            .set_range(range.map(|range| format!("bytes={}-{}", range.start, range.end - 1)))
    };
    let error = match request().send().await {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    let failed = Error::from_sdk(GET_OBJECT, object.location(bucket), &error);
    if !raw::has_unreadable_headers(&error) {
        return Err(failed);
    }
    // On the heap, because the future is large and rarely needed.
    let reading = Box::pin(async {
        let signed = request().presigned(raw::signing()).await.map_err(|_| failed.clone())?;
        count(GET_OBJECT);
        raw::get(signed).await.map_err(|problem| failed.with_cause(problem))
    });
    reading.await
}

async fn get_once(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    range: Option<Range<u64>>,
) -> Result<(ObjectMeta, Bytes), Ended> {
    let corrupt = |problem: String| Error::corrupt(GET_OBJECT, object.location(bucket), problem);
    let mut output = send(client, bucket, object, range.as_ref())
        .await
        .map_err(Ended::Failed)?;
    let agreed = agreement::compare(object, range.as_ref(), &output).map_err(|contradiction| match contradiction {
        Contradiction::OtherSize(_) => Ended::Failed(contradiction.at(bucket, object)),
        Contradiction::OtherETag(_) | Contradiction::Wrong(_) => Ended::Wrong(contradiction.at(bucket, object)),
    })?;
    let mut md5 = agreement::is_md5_needed(&agreed, &output).then(Md5::new);
    let expected = agreed.range.end - agreed.range.start;
    let mut body = std::mem::take(&mut output.body);
    let bytes = collect(&mut body, expected, |chunk| {
        if let Some(md5) = &mut md5 {
            md5.update(chunk);
        }
    })
    .await
    .map_err(|error| Ended::Wrong(body_error(&error, bucket, object)))?;
    if agreed.is_unconfirmed {
        confirm(client, bucket, object, &agreed).await?;
    }
    let (etag, read) = (agreed.etag.clone(), agreed.clone());
    let meta = meta(output, agreed).map_err(|problem| Ended::Wrong(corrupt(problem)))?;
    match md5.map(|md5| <[u8; 16]>::from(md5.finalize())) {
        Some(md5) if !etag.as_str().eq_ignore_ascii_case(&hex::encode(md5)) => {
            Err(Ended::OtherMd5(Box::new(OtherMd5 {
                error: corrupt(format!(
                    "the bytes have the MD5 {}, but the ETag is {etag}",
                    hex::encode(md5)
                )),
                md5,
                agreed: read,
                meta,
                bytes,
            })))
        }
        _ => Ok((meta, bytes)),
    }
}

impl Contradiction {
    fn at(&self, bucket: &Bucket, object: &ObjectRef) -> Error {
        let (kind, problem) = match self {
            Self::OtherETag(problem) | Self::OtherSize(problem) => (ErrorKind::PreconditionFailed, problem),
            Self::Wrong(problem) => (ErrorKind::Corrupt, problem),
        };
        Error {
            kind,
            operation: GET_OBJECT,
            location: object.location(bucket),
            source: Cause::Contradiction(problem.clone()),
        }
    }
}

fn body_error(error: &BodyError, bucket: &Bucket, object: &ObjectRef) -> Error {
    Error {
        kind: match error {
            BodyError::Stalled => ErrorKind::Timeout,
            BodyError::Broken(_) | BodyError::WrongLength { .. } => ErrorKind::Corrupt,
        },
        operation: GET_OBJECT,
        location: object.location(bucket),
        source: Cause::Client(error.to_string()),
    }
}

fn meta(output: GetObjectOutput, agreed: Agreed) -> Result<ObjectMeta, String> {
    let last_modified = output.last_modified.as_ref().map(rfc3339).transpose()?;
    Ok(ObjectMeta {
        etag: Some(agreed.etag),
        size: agreed.size,
        version_id: output.version_id,
        last_modified: last_modified.unwrap_or_default(),
        cache_control: output.cache_control,
        content_disposition: output.content_disposition,
        content_encoding: output.content_encoding,
        content_language: output.content_language,
        content_type: output.content_type,
        expires: output.expires_string,
        user_metadata: output.metadata.unwrap_or_default(),
        has_other_headers: output.missing_meta.is_some_and(|missing| missing > 0),
        has_other_md5: false,
    })
}

fn rfc3339(time: &DateTime) -> Result<String, String> {
    time.fmt(DateTimeFormat::DateTime)
        .map_err(|error| format!("the Last-Modified header is invalid: {error}"))
}
