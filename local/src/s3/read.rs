//! GET and HEAD.

use std::io;
use std::time::Duration;

use futures::{StreamExt, stream};
use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StorageClass,
    StreamingBlob,
};
use s3s::{S3Response, S3Result, s3_error};

use super::body::Body;
use super::faults::{Aftermath, dropped};
use super::object::Object;
use super::service::Service;

/// Tiers from which an object must be restored before it can be read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

pub async fn get(service: &Service, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
    let after = service.admit("GetObject", &input.key).await?;
    let object = service.object(&input.bucket, &input.key, input.version_id.as_deref())?;
    check(
        Some(&object.etag),
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
    )?;
    check_restored(&object)?;
    let size = object.body.len();
    let asked = input.range.filter(|_| after != Aftermath::WholeBody);
    let range = match &asked {
        None => 0..size,
        Some(range) => range
            .check(size)
            .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
    };
    let part = object.body.slice(range.clone());
    service.served.sent(part.len());
    let headers = object.headers.clone();
    Ok(S3Response::new(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(part.len()).ok(),
        content_range: asked
            .is_some()
            .then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
        body: Some(stream(part, after)?),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.last_modified.into()),
        storage_class: object.storage_class.clone().map(StorageClass::from),
        version_id: object.version_id.clone(),
        cache_control: headers.cache_control,
        content_disposition: headers.content_disposition,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        content_type: headers.content_type,
        expires: headers.expires,
        metadata: Some(headers.user_metadata),
        ..GetObjectOutput::default()
    }))
}

pub async fn head(service: &Service, input: HeadObjectInput) -> S3Result<S3Response<HeadObjectOutput>> {
    let after = service.admit("HeadObject", &input.key).await?;
    let object = service.object(&input.bucket, &input.key, input.version_id.as_deref())?;
    check(
        Some(&object.etag),
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
    )?;
    let headers = object.headers.clone();
    let output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(object.body.len()).ok(),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.last_modified.into()),
        storage_class: object.storage_class.clone().map(StorageClass::from),
        version_id: object.version_id.clone(),
        cache_control: headers.cache_control,
        content_disposition: headers.content_disposition,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        content_type: headers.content_type,
        expires: headers.expires,
        metadata: Some(headers.user_metadata),
        ..HeadObjectOutput::default()
    };
    after.answer(output).await
}

/// Conditions on what a key holds.
pub fn check(
    etag: Option<&str>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let holds = |condition: &ETagCondition| match condition {
        ETagCondition::Any => etag.is_some(),
        ETagCondition::ETag(wanted) => etag == Some(wanted.value()),
    };
    if if_match.is_some_and(|condition| !holds(condition)) || if_none_match.is_some_and(holds) {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    Ok(())
}

pub fn check_restored(object: &Object) -> S3Result<()> {
    match object.storage_class.as_deref() {
        Some(class) if ARCHIVES.contains(&class) && !object.restored => Err(s3_error!(
            InvalidObjectState,
            "The operation is not valid for the object's storage class"
        )),
        _ => Ok(()),
    }
}

/// A body on its way; with what comes over it there.
fn stream(body: Body, after: Aftermath) -> S3Result<StreamingBlob> {
    if body.is_empty() && after == Aftermath::Cut {
        // Nothing is left to be cut but the answer.
        return Err(dropped());
    }
    let pieces = |body: Body| stream::iter(body.chunks().map(Ok::<_, io::Error>));
    let half = || pieces(body.slice(0..body.len() / 2));
    Ok(match after {
        Aftermath::None | Aftermath::WholeBody => StreamingBlob::wrap(pieces(body)),
        Aftermath::Stall => StreamingBlob::wrap(half().chain(stream::pending())),
        Aftermath::Cut => StreamingBlob::wrap(half().chain(stream::once(async {
            // What the socket has not taken when the body fails is never sent.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(io::Error::other("the body is cut, as the server was told"))
        }))),
    })
}
