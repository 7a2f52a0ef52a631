//! Objects written in parts: what is larger than one request takes, or than the memory holds.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::write::expires;
use super::{Head, ObjectId};
use crate::failure::{Class, Failure};
use crate::key;

/// The most parts of one object. All but the last must have 5 MiB, none more than 5 GiB.
pub const MAX_PARTS: u64 = 10_000;

/// An upload under way. S3 keeps, and charges for, its parts until it is completed or aborted.
pub struct Upload<'a> {
    client: &'a Client,
    bucket: &'a str,
    key: &'a str,
    id: String,
}

impl<'a> Upload<'a> {
    /// Begins an object with the headers and user metadata of its source, and `added` metadata on top.
    pub async fn begin(
        client: &'a Client,
        bucket: &'a str,
        key: &'a str,
        head: Head,
        added: HashMap<String, String>,
    ) -> Result<Self, Failure> {
        let what = format_args!("CreateMultipartUpload s3://{bucket}/{key}").to_string();
        let expires = expires(&head);
        let mut metadata = head.user_metadata;
        metadata.extend(added);
        let output = client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .set_cache_control(head.cache_control)
            .set_content_disposition(head.content_disposition)
            .set_content_encoding(head.content_encoding)
            .set_content_language(head.content_language)
            .set_content_type(head.content_type)
            .set_expires(expires)
            .set_metadata(Some(metadata))
            .send()
            .await
            .map_err(|error| Failure::of(&what, &error))?;
        let id = output
            .upload_id
            .ok_or_else(|| Failure::new(Class::Internal, format!("{what}: the response has no upload id")))?;
        Ok(Self {
            client,
            bucket,
            key,
            id,
        })
    }

    /// Sends one part. Parts are numbered from 1 and may come in any order.
    pub async fn part(&self, number: i32, body: Bytes) -> Result<CompletedPart, Failure> {
        let output = self
            .client
            .upload_part()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(body))
            // As for a whole image: what the SDK sends to check it is signed.
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| Failure::of(self.what("UploadPart"), &error))?;
        Ok(completed(number, output.e_tag))
    }

    /// Makes one part of a range of another object, inside S3.
    pub async fn part_copied(
        &self,
        number: i32,
        source: &ObjectId,
        range: Range<u64>,
    ) -> Result<CompletedPart, Failure> {
        let output = self
            .client
            .upload_part_copy()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(key::copy_source(
                &source.bucket,
                &source.key,
                source.version_id.as_deref(),
            ))
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_copy_source_if_match(source.if_match())
            .send()
            .await
            .map_err(|error| Failure::of(self.what("UploadPartCopy"), &error))?;
        Ok(completed(
            number,
            output.copy_part_result.and_then(|result| result.e_tag),
        ))
    }

    /// Makes the object of its parts, in the order of their numbers.
    pub async fn complete(&self, mut parts: Vec<CompletedPart>) -> Result<(), Failure> {
        parts.sort_unstable_by_key(|part| part.part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.client
            .complete_multipart_upload()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| Failure::of(self.what("CompleteMultipartUpload"), &error))?;
        Ok(())
    }

    /// Throws the parts away.
    pub async fn abort(&self) -> Result<(), Failure> {
        self.client
            .abort_multipart_upload()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(&self.id)
            .send()
            .await
            .map_err(|error| Failure::of(self.what("AbortMultipartUpload"), &error))?;
        Ok(())
    }

    fn what(&self, operation: &str) -> String {
        format!("{operation} s3://{}/{}", self.bucket, self.key)
    }
}

fn completed(number: i32, etag: Option<String>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(etag).build()
}
