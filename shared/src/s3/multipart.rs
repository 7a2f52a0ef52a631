//! Writes objects in parts, if they are too large for one request or for the memory.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, CopyPartResult};
use bytes::Bytes;
use md5::{Digest, Md5};

use super::contradiction::{sent, written};
use super::copy::CopySource;
use super::error::Error;
use super::error_kind::ErrorKind;
use super::head::head_object;
use super::headers::with_headers;
use crate::object::{ETag, ObjectMeta, ObjectRef, ObjectUri};

/// The most parts of one object. Each part has 5 MiB to 5 GiB; only the last one may be smaller.
pub const MAX_PARTS: u64 = 10_000;

/// An upload in progress. S3 keeps its parts, and charges for them, until it is completed or aborted.
pub struct MultipartUpload<'a> {
    client: &'a Client,
    /// For what S3 does by itself, which may take minutes.
    copies: &'a Client,
    target: &'a ObjectUri,
    id: String,
}

impl<'a> MultipartUpload<'a> {
    /// Begins an object with the headers and user metadata of its source, and with the `added` metadata.
    pub async fn begin(
        client: &'a Client,
        copies: &'a Client,
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
        Ok(Self {
            client,
            copies,
            target,
            id,
        })
    }

    /// Sends one part. Parts have numbers from 1, and can be sent in any order.
    pub async fn part(&self, number: i32, body: Bytes) -> Result<CompletedPart, Error> {
        const OPERATION: &str = "UploadPart";
        sent(|| {
            let request = self
                .client
                .upload_part()
                .bucket(self.target.bucket.as_str())
                .key(self.target.key.as_str())
                .upload_id(&self.id)
                .part_number(number)
                .body(ByteStream::from(body.clone()))
                // As for a whole image, the SDK sends a signed checksum of the body.
                .customize()
                .disable_payload_signing();
            async move {
                let output = request.send().await;
                let output = output.map_err(|error| Error::from_sdk(OPERATION, self.target, &error))?;
                self.completed(OPERATION, number, output.e_tag())
            }
        })
        .await
    }

    /// Copies a range of another object into one part, inside S3.
    pub async fn part_copied(
        &self,
        number: i32,
        source: CopySource<'_>,
        range: Range<u64>,
    ) -> Result<CompletedPart, Error> {
        const OPERATION: &str = "UploadPartCopy";
        sent(|| {
            let request = self
                .copies
                .upload_part_copy()
                .bucket(self.target.bucket.as_str())
                .key(self.target.key.as_str())
                .upload_id(&self.id)
                .part_number(number)
                .copy_source(source.to_string())
                .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
                .set_copy_source_if_match(source.object.if_match());
            async move {
                let output = request.send().await;
                let output = output.map_err(|error| Error::from_sdk(OPERATION, self.target, &error))?;
                let etag = output.copy_part_result().and_then(CopyPartResult::e_tag);
                self.completed(OPERATION, number, etag)
            }
        })
        .await
    }

    fn completed(&self, operation: &'static str, number: i32, etag: Option<&str>) -> Result<CompletedPart, Error> {
        let etag = written(etag).map_err(|problem| Error::corrupt(operation, self.target, problem))?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.e_tag(etag.to_header()).build())
    }

    /// Makes the object from its parts, in the order of their numbers.
    ///
    /// If the upload was completed and only the response was lost, the retry finds no upload. Then the target shows
    /// whether it was completed.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchUpload`] if nothing shows that it was completed. The object must then be uploaded again.
    pub async fn complete(&self, mut parts: Vec<CompletedPart>) -> Result<(), Error> {
        parts.sort_unstable_by_key(|part| part.part_number);
        let result = sent(|| self.complete_once(parts.clone())).await;
        match result {
            Err(error) if error.kind == ErrorKind::NoSuchUpload && self.is_complete(&parts).await? => Ok(()),
            result => result,
        }
    }

    async fn complete_once(&self, parts: Vec<CompletedPart>) -> Result<(), Error> {
        const OPERATION: &str = "CompleteMultipartUpload";
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let output = self
            .copies
            .complete_multipart_upload()
            .bucket(self.target.bucket.as_str())
            .key(self.target.key.as_str())
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| Error::from_sdk(OPERATION, self.target, &error))?;
        written(output.e_tag()).map_err(|problem| Error::corrupt(OPERATION, self.target, problem))?;
        Ok(())
    }

    /// Whether the target has the bytes of these parts, as its `ETag` shows.
    async fn is_complete(&self, parts: &[CompletedPart]) -> Result<bool, Error> {
        let Some(expected) = etag_of(parts) else {
            return Ok(false);
        };
        let target = ObjectRef::latest(self.target.key.clone());
        match head_object(self.client, &self.target.bucket, &target).await {
            Ok(found) => Ok(found
                .etag
                .is_some_and(|etag| etag.as_str().eq_ignore_ascii_case(&expected))),
            // Without the permission to list, S3 responds with 403.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::AccessDenied) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes the parts.
    pub async fn abort(&self) -> Result<(), Error> {
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(self.target.bucket.as_str())
            .key(self.target.key.as_str())
            .upload_id(&self.id)
            .send()
            .await
            .map_err(|error| Error::from_sdk("AbortMultipartUpload", self.target, &error));
        match aborted {
            // There is nothing left to delete.
            Err(error) if error.kind == ErrorKind::NoSuchUpload => Ok(()),
            aborted => aborted.map(drop),
        }
    }
}

/// The `ETag` of an object that was uploaded in these parts: the MD5 of the MD5s of its parts, and the number of parts.
/// `None` if the parts' own `ETag`s are no MD5s, as with a KMS key.
fn etag_of(parts: &[CompletedPart]) -> Option<String> {
    let mut md5 = Md5::new();
    for part in parts {
        let etag = ETag::parse(part.e_tag()?)?;
        md5.update(<[u8; 16]>::try_from(hex::decode(etag.as_str()).ok()?).ok()?);
    }
    Some(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}
