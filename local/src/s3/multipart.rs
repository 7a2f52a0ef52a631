//! Objects uploaded in parts.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use md5::{Digest, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Range,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Response, S3Result, s3_error};

use super::body::Body;
use super::bucket::Bucket;
use super::object::{Headers, Object};
use super::read::{check, check_restored};
use super::service::Service;
use super::write::{check_source_size, check_user_metadata, put_if, receive, source};

/// What each part but the last must have: 5 MiB.
const MIN_PART: u64 = 5 << 20;

const PART_NUMBERS: RangeInclusive<i32> = 1..=10_000;

/// The open uploads of a bucket.
#[derive(Debug, Default)]
pub struct Uploads {
    open: BTreeMap<String, Upload>,
    begun: usize,
}

#[derive(Debug)]
struct Upload {
    key: String,
    headers: Headers,
    storage_class: Option<String>,
    parts: BTreeMap<i32, Part>,
}

#[derive(Debug)]
struct Part {
    body: Body,
    etag: String,
}

impl Uploads {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    fn begin(&mut self, upload: Upload) -> String {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.open.insert(id.clone(), upload);
        id
    }

    fn get(&mut self, id: &str, key: &str) -> S3Result<&mut Upload> {
        self.open
            .get_mut(id)
            .filter(|upload| upload.key == key)
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }
}

impl Upload {
    /// The object of the parts that the client lists.
    fn object(&self, listed: &[CompletedPart]) -> S3Result<Object> {
        if listed.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        if !listed.is_sorted_by(|a, b| a.part_number < b.part_number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order."
            ));
        }
        let parts: Vec<&Part> = listed.iter().map(|listed| self.part(listed)).collect::<S3Result<_>>()?;
        if parts[..parts.len() - 1].iter().any(|part| part.body.len() < MIN_PART) {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        let mut digest = Md5::new();
        for part in &parts {
            // Each ETag here is one that we made.
            digest.update(hex::decode(&part.etag).unwrap_or_default());
        }
        let etag = format!("{}-{}", hex::encode(digest.finalize()), parts.len());
        let body = Body::concat(parts.iter().map(|part| part.body.clone()));
        let mut object = Object::with_etag(body, etag, self.headers.clone());
        object.storage_class.clone_from(&self.storage_class);
        Ok(object)
    }

    fn part(&self, listed: &CompletedPart) -> S3Result<&Part> {
        listed
            .part_number
            .and_then(|number| self.parts.get(&number))
            .filter(|part| listed.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag))
            .ok_or_else(|| s3_error!(InvalidPart, "One or more of the specified parts could not be found."))
    }
}

pub async fn create(
    service: &Service,
    input: CreateMultipartUploadInput,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let after = service.admit("CreateMultipartUpload", &input.key).await?;
    let headers = Headers {
        cache_control: input.cache_control,
        content_disposition: input.content_disposition,
        content_encoding: input.content_encoding,
        content_language: input.content_language,
        content_type: input.content_type,
        expires: input.expires,
        user_metadata: input.metadata.unwrap_or_default(),
    };
    check_user_metadata(&headers)?;
    let upload = Upload {
        key: input.key.clone(),
        headers,
        storage_class: input.storage_class.map(|class| class.as_str().to_owned()),
        parts: BTreeMap::new(),
    };
    let id = service.change(&input.bucket, |bucket| Ok(bucket.uploads.begin(upload)))?;
    let output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        ..CreateMultipartUploadOutput::default()
    };
    after.answer(output).await
}

pub async fn upload_part(service: &Service, input: UploadPartInput) -> S3Result<S3Response<UploadPartOutput>> {
    let after = service.admit("UploadPart", &input.key).await?;
    let (body, etag) = receive(input.body, input.content_length).await?;
    service.served.received(body.len());
    let part = Part {
        body,
        etag: etag.clone(),
    };
    service.change(&input.bucket, |bucket| {
        put_part(bucket, &input.upload_id, &input.key, input.part_number, part)
    })?;
    let output = UploadPartOutput {
        e_tag: Some(ETag::Strong(etag)),
        ..UploadPartOutput::default()
    };
    after.answer(output).await
}

pub async fn upload_part_copy(
    service: &Service,
    input: UploadPartCopyInput,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let (bucket, key, version_id) = source(&input.copy_source)?;
    let after = service.admit("UploadPartCopy", key).await?;
    let source = service.object(bucket, key, version_id)?;
    check(
        Some(&source.etag),
        input.copy_source_if_match.as_ref(),
        input.copy_source_if_none_match.as_ref(),
    )?;
    check_restored(&source)?;
    let body = match input.copy_source_range.as_deref() {
        None => source.body.clone(),
        Some(range) => part_of(&source.body, range)?,
    };
    check_source_size(body.len())?;
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
        put_part(bucket, &input.upload_id, &input.key, input.part_number, part)
    })?;
    let output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: source.version_id.clone(),
        ..UploadPartCopyOutput::default()
    };
    after.answer(output).await
}

pub async fn complete(
    service: &Service,
    input: CompleteMultipartUploadInput,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let after = service.admit("CompleteMultipartUpload", &input.key).await?;
    let listed = input
        .multipart_upload
        .and_then(|upload| upload.parts)
        .unwrap_or_default();
    let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
    let (etag, version_id) = service.change(&input.bucket, |bucket| {
        let object = bucket.uploads.get(&input.upload_id, &input.key)?.object(&listed)?;
        let etag = object.etag.clone();
        // An upload whose condition does not hold stays open.
        let version_id = put_if(bucket, input.key.clone(), object, if_match, if_none_match)?;
        bucket.uploads.open.remove(&input.upload_id);
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
    after.answer(output).await
}

pub async fn abort(
    service: &Service,
    input: AbortMultipartUploadInput,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let after = service.admit("AbortMultipartUpload", &input.key).await?;
    service.change(&input.bucket, |bucket| {
        bucket.uploads.get(&input.upload_id, &input.key)?;
        bucket.uploads.open.remove(&input.upload_id);
        Ok(())
    })?;
    after.answer(AbortMultipartUploadOutput::default()).await
}

/// Keeps a part, in place of any that had its number.
fn put_part(bucket: &mut Bucket, upload: &str, key: &str, number: i32, part: Part) -> S3Result<()> {
    if !PART_NUMBERS.contains(&number) {
        return Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive"
        ));
    }
    bucket.uploads.get(upload, key)?.parts.insert(number, part);
    Ok(())
}

/// The part of a source that a range names, which must lie within.
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
