//! Writes objects in parts, if they are too large for one request or for the memory.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::copy::CopySource;
use super::error::Error;
use super::headers::with_headers;
use crate::object::{ObjectMeta, ObjectUri};

/// The most parts of one object. Each part has 5 MiB to 5 GiB; only the last one may be smaller.
pub const MAX_PARTS: u64 = 10_000;

/// An upload in progress. S3 keeps its parts, and charges for them, until it is completed or aborted.
pub struct MultipartUpload<'a> {
    client: &'a Client,
    target: &'a ObjectUri,
    id: String,
}

impl<'a> MultipartUpload<'a> {
    /// Begins an object with the headers and user metadata of its source, and with the `added` metadata.
    pub async fn begin(
        client: &'a Client,
        target: &'a ObjectUri,
        meta: ObjectMeta,
        added: HashMap<String, String>,
    ) -> Result<Self, Error> {
        const OPERATION: &str = "CreateMultipartUpload";
        let request = client
            .create_multipart_upload()
            .bucket(target.bucket.as_str())
            .key(target.key.as_str());
        let output = with_headers!(request, meta, added)
            .send()
            .await
            .map_err(|error| Error::from_sdk(OPERATION, target, &error))?;
        let id = output
            .upload_id
            .ok_or_else(|| Error::corrupt(OPERATION, target, "the response has no upload id"))?;
        Ok(Self { client, target, id })
    }

    /// Sends one part. Parts have numbers from 1, and can be sent in any order.
    pub async fn part(&self, number: i32, body: Bytes) -> Result<CompletedPart, Error> {
        let output = self
            .client
            .upload_part()
            .bucket(self.target.bucket.as_str())
            .key(self.target.key.as_str())
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(body))
            // As for a whole image, the SDK sends a signed checksum of the body.
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| Error::from_sdk("UploadPart", self.target, &error))?;
        Ok(completed(number, output.e_tag))
    }

    /// Copies a range of another object into one part, inside S3.
    pub async fn part_copied(
        &self,
        number: i32,
        source: CopySource<'_>,
        range: Range<u64>,
    ) -> Result<CompletedPart, Error> {
        let output = self
            .client
            .upload_part_copy()
            .bucket(self.target.bucket.as_str())
            .key(self.target.key.as_str())
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(source.to_string())
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_copy_source_if_match(source.object.if_match())
            .send()
            .await
            .map_err(|error| Error::from_sdk("UploadPartCopy", self.target, &error))?;
        Ok(completed(
            number,
            output.copy_part_result.and_then(|result| result.e_tag),
        ))
    }

    /// Makes the object from its parts, in the order of their numbers.
    pub async fn complete(&self, mut parts: Vec<CompletedPart>) -> Result<(), Error> {
        parts.sort_unstable_by_key(|part| part.part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.client
            .complete_multipart_upload()
            .bucket(self.target.bucket.as_str())
            .key(self.target.key.as_str())
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| Error::from_sdk("CompleteMultipartUpload", self.target, &error))?;
        Ok(())
    }

    /// Deletes the parts.
    pub async fn abort(&self) -> Result<(), Error> {
        self.client
            .abort_multipart_upload()
            .bucket(self.target.bucket.as_str())
            .key(self.target.key.as_str())
            .upload_id(&self.id)
            .send()
            .await
            .map_err(|error| Error::from_sdk("AbortMultipartUpload", self.target, &error))?;
        Ok(())
    }
}

fn completed(number: i32, etag: Option<String>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(etag).build()
}
