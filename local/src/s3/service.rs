//! The S3 operations, on the store.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{TryStreamExt, stream};
use s3s::dto::{
    Bucket, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, CreateBucketInput, CreateBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, ETagCondition,
    GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input,
    ListObjectsV2Output, MetadataDirective, PutObjectInput, PutObjectOutput, StorageClass, StreamingBlob,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::faults::Faults;
use super::listing;
use super::store::{Bucket as StoredBucket, Headers, Object as Stored, Store};

/// S3 keeps 2 KB of user metadata, names and values together.
const MAX_USER_METADATA: usize = 2048;

/// Tiers from which an object must be restored before it can be read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

#[derive(Clone, Debug)]
pub struct Service {
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
}

impl Service {
    /// Runs on a bucket that exists.
    fn with<T>(&self, bucket: &str, read: impl FnOnce(&StoredBucket) -> S3Result<T>) -> S3Result<T> {
        match self.store.read().get(bucket) {
            Some(bucket) => read(bucket),
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
        }
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<Arc<Stored>> {
        self.with(bucket, |bucket| {
            bucket
                .get(key)
                .cloned()
                .ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
        })
    }

    /// Writes unless a condition forbids it; nothing comes between condition and write.
    fn put(
        &self,
        bucket: &str,
        key: String,
        object: Stored,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let mut buckets = self.store.write();
        let bucket = buckets
            .get_mut(bucket)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))?;
        let present = bucket.get(&key);
        if if_match.is_some() && present.is_none() {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
        check(present.map(|object| object.etag.as_str()), if_match, if_none_match)?;
        bucket.put(key, object);
        Ok(())
    }
}

/// Conditions on what a key holds.
fn check(etag: Option<&str>, if_match: Option<&ETagCondition>, if_none_match: Option<&ETagCondition>) -> S3Result<()> {
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

fn check_restored(object: &Stored) -> S3Result<()> {
    match object.storage_class.as_deref() {
        Some(class) if ARCHIVES.contains(&class) => Err(s3_error!(
            InvalidObjectState,
            "The operation is not valid for the object's storage class"
        )),
        _ => Ok(()),
    }
}

fn check_user_metadata(headers: &Headers) -> S3Result<()> {
    let size: usize = headers
        .user_metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > MAX_USER_METADATA {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    Ok(())
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let mut collected = BytesMut::new();
    let mut body = std::pin::pin!(body);
    while let Some(part) = body
        .try_next()
        .await
        .map_err(|error| s3_error!(IncompleteBody, "the body broke off: {error}"))?
    {
        if collected.is_empty() && collected.capacity() == 0 {
            // Most bodies come in one piece.
            collected = BytesMut::from(part);
        } else {
            collected.extend_from_slice(&part);
        }
    }
    Ok(collected.freeze())
}

fn length(range: &Range<u64>) -> Option<i64> {
    i64::try_from(range.end - range.start).ok()
}

fn slice(body: &Bytes, range: &Range<u64>) -> Bytes {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    body.slice(index(range.start)..index(range.end))
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        self.faults.suffer("GetObject", &input.key).await?;
        let object = self.object(&input.bucket, &input.key)?;
        check(
            Some(&object.etag),
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        check_restored(&object)?;
        let size = object.body.len() as u64;
        let range = match &input.range {
            None => 0..size,
            Some(range) => range
                .check(size)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
        };
        let part = slice(&object.body, &range);
        let headers = object.headers.clone();
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(&range),
            content_range: input
                .range
                .is_some()
                .then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            body: Some(StreamingBlob::wrap(stream::iter([Ok::<_, std::io::Error>(part)]))),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.last_modified.into()),
            storage_class: object.storage_class.clone().map(StorageClass::from),
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

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        self.faults.suffer("HeadObject", &input.key).await?;
        let object = self.object(&input.bucket, &input.key)?;
        check(
            Some(&object.etag),
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let headers = object.headers.clone();
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.body.len()).ok(),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.last_modified.into()),
            storage_class: object.storage_class.clone().map(StorageClass::from),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            expires: headers.expires,
            metadata: Some(headers.user_metadata),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.faults.suffer("PutObject", &input.key).await?;
        let headers = Headers {
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            // The SDK's own chunked upload says so here; S3 does not keep that part.
            content_encoding: input.content_encoding.filter(|encoding| encoding != "aws-chunked"),
            content_language: input.content_language,
            content_type: input.content_type,
            expires: input.expires,
            user_metadata: input.metadata.unwrap_or_default(),
        };
        check_user_metadata(&headers)?;
        let mut object = Stored::new(collect(input.body).await?, headers);
        object.storage_class = input.storage_class.map(|class| class.as_str().to_owned());
        let etag = object.etag.clone();
        self.put(
            &input.bucket,
            input.key,
            object,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..PutObjectOutput::default()
        }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "only bucket/key is taken as a copy source"));
        };
        self.faults.suffer("CopyObject", key).await?;
        let source = self.object(bucket, key)?;
        check(
            Some(&source.etag),
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
        )?;
        check_restored(&source)?;
        let replace = input
            .metadata_directive
            .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if !replace && **bucket == *input.bucket && **key == *input.key {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal: nothing would change"
            ));
        }
        let headers = if replace {
            Headers {
                cache_control: input.cache_control,
                content_disposition: input.content_disposition,
                content_encoding: input.content_encoding,
                content_language: input.content_language,
                content_type: input.content_type,
                expires: input.expires,
                user_metadata: input.metadata.unwrap_or_default(),
            }
        } else {
            source.headers.clone()
        };
        check_user_metadata(&headers)?;
        let mut copy = Stored::new(source.body.clone(), headers);
        copy.storage_class = input.storage_class.map(|class| class.as_str().to_owned());
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(copy.etag.clone())),
            last_modified: Some(copy.last_modified.into()),
            ..CopyObjectResult::default()
        };
        self.put(&input.bucket, input.key, copy, None, None)?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.faults.suffer("DeleteObject", &input.key).await?;
        self.with(&input.bucket, |_| Ok(()))?;
        if let Some(bucket) = self.store.write().get_mut(&input.bucket) {
            bucket.delete(&input.key);
        }
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        self.with(&input.bucket, |_| Ok(()))?;
        let mut deleted = Vec::new();
        if let Some(bucket) = self.store.write().get_mut(&input.bucket) {
            for object in input.delete.objects {
                bucket.delete(&object.key);
                deleted.push(DeletedObject {
                    key: Some(object.key),
                    ..DeletedObject::default()
                });
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted).filter(|_| input.delete.quiet != Some(true)),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.faults
            .suffer("ListObjectsV2", input.prefix.as_deref().unwrap_or_default())
            .await?;
        let name = input.bucket.clone();
        self.with(&name, |bucket| listing::list(bucket, input))
            .map(S3Response::new)
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = &request.input.bucket;
        if self.store.read().contains_key(name) {
            return Err(s3_error!(BucketAlreadyOwnedByYou, "You own this bucket already"));
        }
        self.store.create_bucket(name);
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(format!("/{name}")),
        }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.with(&request.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.with(&request.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.store.read();
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(
                buckets
                    .iter()
                    .map(|(name, bucket)| Bucket {
                        name: Some(name.clone()),
                        creation_date: Some(bucket.created.into()),
                        ..Bucket::default()
                    })
                    .collect(),
            ),
            ..ListBucketsOutput::default()
        }))
    }
}
