//! The S3 operations. Each calls the module that implements it; the shortest are implemented here.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output, ObjectIdentifier, PutObjectInput, PutObjectOutput,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::service::Service;
use super::{listing, multipart, read, write};

#[async_trait::async_trait]
impl S3 for Service {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        read::get(self, request.input).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        read::head(self, request.input).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        write::put(self, request.input).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        write::copy(self, request.input, write::copies_annotations(&request.headers)).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        multipart::create(self, request.input).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        multipart::upload_part(self, request.input).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        multipart::upload_part_copy(self, request.input).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        multipart::complete(self, request.input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        multipart::abort(self, request.input).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let after = self.admit("DeleteObject", &input.key).await?;
        let output = self.change(&input.bucket, |bucket| Ok(bucket.delete(&input.key, input.version_id)))?;
        after.respond(output).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let deleted = self.change(&input.bucket, |bucket| {
            let delete = |object: ObjectIdentifier| {
                let asked = object.version_id.clone();
                let done = bucket.delete(&object.key, object.version_id);
                let is_marker = done.delete_marker;
                DeletedObject {
                    key: Some(object.key),
                    delete_marker: is_marker,
                    delete_marker_version_id: done.version_id.filter(|_| is_marker == Some(true)),
                    version_id: asked,
                }
            };
            Ok(input.delete.objects.into_iter().map(delete).collect())
        })?;
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
        let after = self
            .admit("ListObjectsV2", input.prefix.as_deref().unwrap_or_default())
            .await?;
        let output = self.with(&input.bucket, |bucket| {
            bucket.check_payer(input.request_payer.as_ref())?;
            listing::list(bucket, &input, &after)
        })?;
        after.respond(output).await
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
