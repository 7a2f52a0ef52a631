//! The operations of a multipart upload.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Range, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Response, S3Result, s3_error};

use super::body::Body;
use super::copy_source::{Source, check_copied_bytes};
use super::effect::Effect;
use super::headers::headers_of;
use super::service::Service;
use super::uploads::{Part, Upload};
use super::write::{put_if, receive};

pub async fn create(
    service: &Service,
    input: CreateMultipartUploadInput,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let after = service.admit("CreateMultipartUpload", &input.key).await?;
    let headers = headers_of!(input)?;
    let storage_class = input.storage_class.map(|class| class.as_str().to_owned());
    let upload = Upload::new(input.key.clone(), headers, storage_class);
    let id = service.change(&input.bucket, |bucket| Ok(bucket.uploads.begin(upload)))?;
    let output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        ..CreateMultipartUploadOutput::default()
    };
    after.respond(output).await
}

pub async fn upload_part(service: &Service, input: UploadPartInput) -> S3Result<S3Response<UploadPartOutput>> {
    let after = service.admit("UploadPart", &input.key).await?;
    let (body, etag) = receive(input.body, input.content_length).await?;
    service.served.received(body.len());
    if after.is(&Effect::Nothing) {
        return after.respond(UploadPartOutput::default()).await;
    }
    let part = Part {
        body,
        etag: etag.clone(),
    };
    service.change(&input.bucket, |bucket| {
        let upload = bucket.uploads.get(&input.upload_id, &input.key)?;
        upload.put(input.part_number, part)
    })?;
    let output = UploadPartOutput {
        e_tag: Some(ETag::Strong(etag)),
        ..UploadPartOutput::default()
    };
    after.respond(output).await
}

pub async fn upload_part_copy(
    service: &Service,
    input: UploadPartCopyInput,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let named = Source::of(&input.copy_source)?;
    let after = service.admit("UploadPartCopy", named.key).await?;
    if after.is(&Effect::Nothing) {
        return after.respond(UploadPartCopyOutput::default()).await;
    }
    service.check_payer(named.bucket, input.request_payer.as_ref())?;
    let source = named.read(
        service,
        input.copy_source_if_match.as_ref(),
        input.copy_source_if_none_match.as_ref(),
    )?;
    let body = match input.copy_source_range.as_deref() {
        None => source.body.clone(),
        Some(range) => part_of(&source.body, range)?,
    };
    check_copied_bytes(body.len())?;
    let part = Part {
        etag: body.digest(),
        body,
    };
    let result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(source.last_modified.into()),
        ..CopyPartResult::default()
    };
    service.change(&input.bucket, |bucket| {
        let upload = bucket.uploads.get(&input.upload_id, &input.key)?;
        upload.put(input.part_number, part)
    })?;
    let output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: source.version_id.clone(),
        ..UploadPartCopyOutput::default()
    };
    after.respond(output).await
}

pub async fn complete(
    service: &Service,
    input: CompleteMultipartUploadInput,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let after = service.admit("CompleteMultipartUpload", &input.key).await?;
    if after.is(&Effect::Nothing) {
        return after.respond(CompleteMultipartUploadOutput::default()).await;
    }
    let listed = input
        .multipart_upload
        .and_then(|upload| upload.parts)
        .unwrap_or_default();
    let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
    let (etag, version_id) = service.change(&input.bucket, |bucket| {
        let mut object = bucket.uploads.get(&input.upload_id, &input.key)?.object(&listed)?;
        object.last_modified = service.now();
        let etag = object.etag.clone();
        // If the condition does not hold, the upload stays open, as in S3.
        let version_id = put_if(bucket, input.key.clone(), object, if_match, if_none_match)?;
        bucket.uploads.remove(&input.upload_id);
        Ok((etag, version_id))
    })?;
    let output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(etag)),
        version_id,
        ..CompleteMultipartUploadOutput::default()
    };
    after.respond(output).await
}

pub async fn abort(
    service: &Service,
    input: AbortMultipartUploadInput,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let after = service.admit("AbortMultipartUpload", &input.key).await?;
    service.change(&input.bucket, |bucket| {
        bucket.uploads.get(&input.upload_id, &input.key)?;
        bucket.uploads.remove(&input.upload_id);
        Ok(())
    })?;
    after.respond(AbortMultipartUploadOutput::default()).await
}

/// The part of a body that a range names. Returns an error if the range is not within the body.
fn part_of(body: &Body, range: &str) -> S3Result<Body> {
    match Range::parse(range) {
        Ok(Range::Int {
            first,
            last: Some(last),
        }) if last < body.len() => Ok(body.slice(first..last + 1)),
        _ => Err(s3_error!(
            InvalidArgument,
            "Range specified is not valid for source object of size: {}",
            body.len()
        )),
    }
}
