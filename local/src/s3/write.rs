//! PUT and COPY.

use futures::TryStreamExt;
use hyper::HeaderMap;
use md5::{Digest, Md5};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, ETag, ETagCondition, MetadataDirective, PutObjectInput,
    PutObjectOutput, StreamingBlob,
};
use s3s::{S3Response, S3Result, s3_error};

use super::body::{Body, Gathering};
use super::bucket::Bucket;
use super::conditions::check;
use super::copy_source::{Source, check_copied_bytes};
use super::effect::Effect;
use super::headers::headers_of;
use super::object::Object;
use super::service::Service;

/// The most that one request may upload: 5 GiB.
const MAX_BODY_BYTES: u64 = 5 << 30;

pub async fn put(service: &Service, input: PutObjectInput) -> S3Result<S3Response<PutObjectOutput>> {
    let after = service.admit("PutObject", &input.key).await?;
    let headers = headers_of!(input)?;
    let (body, etag) = receive(input.body, input.content_length).await?;
    service.served.received(body.len());
    service.faults.receive(body.len()).await;
    if after.is(&Effect::Nothing) {
        return after.respond(PutObjectOutput::default()).await;
    }
    let mut object = Object::with_etag(body, etag.clone(), headers);
    object.storage_class = input.storage_class.map(|class| class.as_str().to_owned());
    object.last_modified = service.now();
    let version_id = service.change(&input.bucket, |bucket| {
        put_if(
            bucket,
            input.key,
            object,
            after.condition(input.if_match.as_ref()),
            after.condition(input.if_none_match.as_ref()),
        )
    })?;
    let output = PutObjectOutput {
        e_tag: Some(ETag::Strong(etag)),
        version_id,
        ..PutObjectOutput::default()
    };
    after.respond(output).await
}

/// Whether a copy takes over the annotations of its source.
pub fn copies_annotations(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-object-annotation-directive")
        .is_none_or(|directive| directive != "EXCLUDE")
}

pub async fn copy(
    service: &Service,
    input: CopyObjectInput,
    with_annotations: bool,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let named = Source::of(&input.copy_source)?;
    let after = service.admit("CopyObject", named.key).await?;
    if after.is(&Effect::Nothing) {
        return after.respond(CopyObjectOutput::default()).await;
    }
    service.check_payer(named.bucket, input.request_payer.as_ref())?;
    let source = named.read(
        service,
        input.copy_source_if_match.as_ref(),
        input.copy_source_if_none_match.as_ref(),
    )?;
    check_copied_bytes(source.body.len())?;
    let replace = input
        .metadata_directive
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    if !replace && named.is(&input.bucket, &input.key) {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal: nothing would change"
        ));
    }
    let headers = if replace {
        headers_of!(input)?
    } else {
        source.headers.clone()
    };
    // The copy is in one piece, even if the source was uploaded in parts. Then the copy needs an ETag of its own.
    let mut copy = if source.etag.contains('-') {
        Object::new(source.body.clone(), headers)
    } else {
        Object::with_etag(source.body.clone(), source.etag.clone(), headers)
    };
    if with_annotations {
        copy.annotations = source.annotations.clone();
    }
    copy.last_modified = service.now();
    copy.storage_class = input.storage_class.map(|class| class.as_str().to_owned());
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(copy.etag.clone())),
        last_modified: Some(copy.last_modified.into()),
        ..CopyObjectResult::default()
    };
    let version_id = service.change(&input.bucket, |bucket| Ok(bucket.put(input.key, copy)))?;
    let output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source.version_id.clone(),
        version_id,
        ..CopyObjectOutput::default()
    };
    after.respond(output).await
}

/// Puts an object if the conditions hold. Returns the id of the new version.
pub fn put_if(
    bucket: &mut Bucket,
    key: String,
    object: Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<Option<String>> {
    let present = bucket.get(&key).map(|object| object.etag.as_str());
    if if_match.is_some() && present.is_none() {
        return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
    }
    check(present, if_match, if_none_match)?;
    Ok(bucket.put(key, object))
}

/// Reads a body to its end. Returns it with its MD5, or an error if it is larger than 5 GiB.
pub async fn receive(body: Option<StreamingBlob>, announced: Option<i64>) -> S3Result<(Body, String)> {
    let too_large = || {
        s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed object size."
        )
    };
    if announced.is_some_and(|size| size.cast_unsigned() > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let mut gathering = Gathering::default();
    let mut digest = Md5::new();
    let mut pieces = std::pin::pin!(body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty())));
    while let Some(piece) = pieces
        .try_next()
        .await
        .map_err(|error| s3_error!(IncompleteBody, "the body broke off: {error}"))?
    {
        digest.update(&piece);
        gathering.push(piece);
        if gathering.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
    }
    Ok((gathering.finish(), hex::encode(digest.finalize())))
}
