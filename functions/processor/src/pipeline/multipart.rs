//! Writes an image in parts, if it is larger than one request allows or than the memory holds.

use std::collections::HashMap;
use std::future::pending;
use std::ops::Range;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_runtime::tracing::warn;
use shared::object::{ObjectMeta, ObjectRef, ObjectUri};
use shared::protocol::failure::Failure;
use shared::s3::{self, CopySource, ErrorKind, MAX_PARTS, MultipartUpload};

use super::strip::Output;
use super::task::Task;

const MIB: u64 = 1024 * 1024;

/// The minimum size of a part that passes through the function. The last part may be smaller.
const MIN_PART_BYTES: u64 = 16 * MIB;

/// The minimum size of a part that S3 copies. The last part may be smaller.
const MIN_COPIED_PART_BYTES: u64 = 512 * MIB;

/// The most parts of one image in flight.
const MAX_PARTS_IN_FLIGHT: usize = 4;

/// Where the bytes of each part come from.
#[derive(Clone, Copy)]
pub enum PartSource<'a> {
    /// They pass through the function.
    Downloaded(&'a ObjectRef),
    /// S3 copies them.
    Copied(&'a ObjectRef),
    /// They are those of a stripped image.
    Stripped(Output<'a>),
}

impl PartSource<'_> {
    /// The size of the whole, in bytes.
    fn size(self, meta: &ObjectMeta) -> u64 {
        match self {
            Self::Downloaded(_) | Self::Copied(_) => meta.size,
            Self::Stripped(output) => output.pieces.length(),
        }
    }
}

/// Why an object could not be written in parts.
enum PartsError {
    /// The upload does not exist any more, and the target does not have its bytes.
    Vanished(s3::Error),
    Failed(Failure),
}

impl From<s3::Error> for PartsError {
    fn from(error: s3::Error) -> Self {
        match error.kind {
            ErrorKind::NoSuchUpload => Self::Vanished(error),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<Failure> for PartsError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PartsError> for Failure {
    fn from(error: PartsError) -> Self {
        match error {
            PartsError::Vanished(error) => error.into(),
            PartsError::Failed(failure) => failure,
        }
    }
}

impl Task<'_> {
    /// Uploads or copies an object in parts. If this fails, the parts are deleted.
    ///
    /// If the upload vanishes, the object is uploaded again.
    pub async fn in_parts(
        &self,
        source: PartSource<'_>,
        meta: ObjectMeta,
        added: HashMap<String, String>,
        target: &ObjectUri,
    ) -> Result<(), Failure> {
        // On the heap, because the futures are large and most images are written in one piece.
        match Box::pin(self.in_parts_once(source, meta.clone(), added.clone(), target)).await {
            Err(PartsError::Vanished(_)) => Ok(Box::pin(self.in_parts_once(source, meta, added, target)).await?),
            result => Ok(result?),
        }
    }

    async fn in_parts_once(
        &self,
        source: PartSource<'_>,
        meta: ObjectMeta,
        added: HashMap<String, String>,
        target: &ObjectUri,
    ) -> Result<(), PartsError> {
        let size = source.size(&meta);
        let clients = self.pipeline.clients;
        let min_part_bytes = match source {
            PartSource::Downloaded(_) | PartSource::Stripped(_) => MIN_PART_BYTES,
            PartSource::Copied(_) => MIN_COPIED_PART_BYTES,
        };
        let part = size.div_ceil(MAX_PARTS).next_multiple_of(MIB).max(min_part_bytes);
        let upload = {
            let _connection = self.turn_to_write().await;
            MultipartUpload::begin(&clients.writes, &clients.copies, target, meta, added).await?
        };
        let ranges = (0..size.div_ceil(part)).map(|index| index * part..size.min((index + 1) * part));
        let parts = stream::iter((1..).zip(ranges))
            .map(|(number, range)| self.part(&upload, number, source, range))
            .buffer_unordered(MAX_PARTS_IN_FLIGHT)
            .try_collect();
        let completed = async {
            let parts = parts.await?;
            let _connection = self.turn_to_write().await;
            Ok::<_, PartsError>(upload.complete(parts).await?)
        };
        // S3 keeps the parts of an upload that is neither completed nor aborted. So the upload is aborted before the
        // image ends, whatever the cause.
        let failure = tokio::select! {
            biased;
            result = completed => match result {
                Ok(()) => return Ok(()),
                Err(failure) => Some(failure),
            },
            _ = self.timer.expired() => None,
        };
        if let Err(error) = upload.abort().await {
            warn!(%error, "a multipart upload cannot be aborted, so its parts stay in the destination");
        }
        match failure {
            Some(failure) => Err(failure),
            // The caller of this future decides the outcome of an image whose time is up, and drops the future.
            None => pending().await,
        }
    }

    async fn part(
        &self,
        upload: &MultipartUpload<'_>,
        number: i32,
        source: PartSource<'_>,
        range: Range<u64>,
    ) -> Result<CompletedPart, PartsError> {
        match source {
            PartSource::Copied(object) => {
                let source = CopySource {
                    bucket: &self.image.bucket,
                    object,
                };
                let _connection = self.turn_to_write().await;
                Ok(upload.part_copied(number, source, range).await?)
            }
            PartSource::Downloaded(object) => {
                let _held = self.hold(range.end - range.start).await?;
                let (_, bytes) = self.get(object, Some(range)).await?;
                self.sent(upload, number, bytes).await
            }
            PartSource::Stripped(output) => {
                // The part, and what is read of the source for it, which is at most twice as much.
                let _held = self.hold(3 * (range.end - range.start)).await?;
                let bytes = self.output(output, range).await?;
                self.sent(upload, number, bytes).await
            }
        }
    }

    async fn sent(&self, upload: &MultipartUpload<'_>, number: i32, bytes: Bytes) -> Result<CompletedPart, PartsError> {
        let size = bytes.len() as u64;
        let _connection = self.turn_to_write().await;
        let part = upload.part(number, bytes).await?;
        self.pipeline.traffic.add_written(size);
        Ok(part)
    }
}
