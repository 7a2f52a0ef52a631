//! GET and HEAD.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use hyper::http::{HeaderName, HeaderValue};
use s3s::dto::{
    ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ServerSideEncryption, StorageClass,
    StreamingBlob,
};
use s3s::{S3Error, S3Response, S3Result, s3_error};

use super::body::Body;
use super::conditions::{check, check_readable};
use super::effect::{Aftermath, Effect, dropped};
use super::headers::response_for;
use super::object::Object;
use super::service::Service;

pub async fn get(service: &Service, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
    let after = service.admit("GetObject", &input.key).await?;
    service.check_payer(&input.bucket, input.request_payer.as_ref())?;
    let object = service.object(&input.bucket, &input.key, input.version_id.as_deref())?;
    check_readable(
        &object,
        after.condition(input.if_match.as_ref()),
        after.condition(input.if_none_match.as_ref()),
    )?;
    let size = object.body.len();
    let mut asked = input.range.filter(|_| !after.is(&Effect::WholeBody));
    let mut range = match &asked {
        None => 0..size,
        Some(range) => range
            .check(size)
            .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
    };
    let mut total = size;
    match after.0 {
        Some(Effect::OtherRange) if range.end < size => range = range.start + 1..range.end + 1,
        Some(Effect::Shorter) => {
            total = size * 2 / 3;
            range = range.start.min(total)..range.end.min(total);
        }
        Some(Effect::NoBytes) => (asked, range) = (None, 0..0),
        _ => {}
    }
    let mut part = object.body.slice(range.clone());
    if after.is(&Effect::Flipped) {
        let mut bytes = part.bytes().to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        part = bytes.into();
    }
    service.served.sent(part.len());
    let is_whole = asked.is_none() && part == object.body;
    let checksum = object
        .checksum
        .clone()
        .filter(|_| is_whole && input.checksum_mode.is_some());
    let has_length = !matches!(after.0, Some(Effect::NoLength | Effect::Endless));
    let output = response_for!(
        &object,
        GetObjectOutput {
            checksum_crc64nvme: checksum,
            content_length: i64::try_from(part.len()).ok().filter(|_| has_length),
            content_range: asked
                .is_some()
                .then(|| format!("bytes {}-{}/{total}", range.start, range.end - 1)),
            body: Some(stream(part, &after)?),
        }
    );
    // A cut or stalled body is in the stream.
    let at_once = Aftermath(after.0.filter(|effect| !matches!(effect, Effect::Cut | Effect::Stall)));
    with_raw(at_once.respond(output).await?, &object)
}

pub async fn head(service: &Service, input: HeadObjectInput) -> S3Result<S3Response<HeadObjectOutput>> {
    let after = service.admit("HeadObject", &input.key).await?;
    service.check_payer(&input.bucket, input.request_payer.as_ref())?;
    let object = service.object(&input.bucket, &input.key, input.version_id.as_deref())?;
    check(
        Some(&object.etag),
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
    )?;
    let output = response_for!(
        &object,
        HeadObjectOutput {
            content_length: i64::try_from(object.body.len()).ok(),
        }
    );
    with_raw(after.respond(output).await?, &object)
}

/// Adds the raw headers of an object to a response.
fn with_raw<T>(mut response: S3Response<T>, object: &Object) -> S3Result<S3Response<T>> {
    for (name, value) in &object.headers.raw {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(S3Error::internal_error)?;
        let value = HeaderValue::from_bytes(value).map_err(S3Error::internal_error)?;
        response.headers.insert(name, value);
    }
    Ok(response)
}

/// The stream of a response's body, with the fault that is to happen in it.
fn stream(body: Body, after: &Aftermath) -> S3Result<StreamingBlob> {
    if body.is_empty() && after.is(&Effect::Cut) {
        // An empty body cannot be cut, so the whole response is lost.
        return Err(dropped());
    }
    let pieces = |body: Body| stream::iter(body.chunks().map(Ok::<_, io::Error>));
    let half = || pieces(body.slice(0..body.len() / 2));
    Ok(match &after.0 {
        Some(Effect::Stall) => StreamingBlob::wrap(half().chain(stream::pending())),
        Some(Effect::Cut) => StreamingBlob::wrap(half().chain(stream::once(async {
            // Bytes that the socket has not taken when the body fails are never sent. This wait lets it take them.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(io::Error::other("injected fault: the body is cut"))
        }))),
        Some(Effect::Endless) => {
            StreamingBlob::wrap(pieces(body).chain(stream::repeat_with(|| Ok(Bytes::from_static(&[0; 4096])))))
        }
        _ => StreamingBlob::wrap(pieces(body)),
    })
}
