//! GET and HEAD.

use std::io;
use std::time::Duration;

use futures::{StreamExt, stream};
use s3s::dto::{ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StorageClass, StreamingBlob};
use s3s::{S3Response, S3Result, s3_error};

use super::body::Body;
use super::conditions::{check, check_readable};
use super::effect::{Aftermath, dropped};
use super::headers::response_for;
use super::service::Service;

pub async fn get(service: &Service, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
    let after = service.admit("GetObject", &input.key).await?;
    let object = service.object(&input.bucket, &input.key, input.version_id.as_deref())?;
    check_readable(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let size = object.body.len();
    let asked = input.range.filter(|_| after != Aftermath::WholeBody);
    let mut range = match &asked {
        None => 0..size,
        Some(range) => range
            .check(size)
            .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
    };
    if after == Aftermath::OtherRange && range.end < size {
        range = range.start + 1..range.end + 1;
    }
    let part = object.body.slice(range.clone());
    service.served.sent(part.len());
    let output = response_for!(
        &object,
        GetObjectOutput {
            content_length: i64::try_from(part.len()).ok(),
            content_range: asked
                .is_some()
                .then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            body: Some(stream(part, after)?),
        }
    );
    Ok(S3Response::new(output))
}

pub async fn head(service: &Service, input: HeadObjectInput) -> S3Result<S3Response<HeadObjectOutput>> {
    let after = service.admit("HeadObject", &input.key).await?;
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
    after.respond(output).await
}

/// The stream of a response's body, with the fault that is to happen in it.
fn stream(body: Body, after: Aftermath) -> S3Result<StreamingBlob> {
    if body.is_empty() && after == Aftermath::Cut {
        // An empty body cannot be cut, so the whole response is lost.
        return Err(dropped());
    }
    let pieces = |body: Body| stream::iter(body.chunks().map(Ok::<_, io::Error>));
    let half = || pieces(body.slice(0..body.len() / 2));
    Ok(match after {
        Aftermath::None | Aftermath::WholeBody | Aftermath::OtherRange => StreamingBlob::wrap(pieces(body)),
        Aftermath::Stall => StreamingBlob::wrap(half().chain(stream::pending())),
        Aftermath::Cut => StreamingBlob::wrap(half().chain(stream::once(async {
            // Bytes that the socket has not taken when the body fails are never sent. This wait lets it take them.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(io::Error::other("injected fault: the body is cut"))
        }))),
    })
}
