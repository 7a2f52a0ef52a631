//! Upload: the image, by whichever way fits its size, and what is written of its record.

use std::collections::HashMap;
use std::future::pending;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_runtime::tracing::warn;
use serde::Serialize;
use shared::chunk::FailedKey;
use shared::exif::{self, Metadata};
use shared::failure::Failure;
use shared::filter;
use shared::modes::Images;
use shared::record::{Origin, Record};
use shared::s3::{self, Head, MAX_PARTS, ObjectId, Upload};
use shared::summary;
use tokio::time::{Instant, sleep_until};

use super::{GOODBYE, Processed, Task, Times};
use crate::commit::{event_id, ndjson};

const MIB: u64 = 1024 * 1024;

/// A larger image is uploaded in parts.
const MOST_WHOLE: u64 = 64 * MIB;

/// A part that passes through the function, and one that is copied inside S3.
const PART: u64 = 16 * MIB;
const COPIED_PART: u64 = 512 * MIB;

/// Parts of one image in flight.
const PARTS_IN_FLIGHT: usize = 4;

impl Task<'_> {
    /// Downloads all of an image, extracts its metadata, uploads it.
    pub(super) async fn upload(&self, id: &ObjectId, target: &str) -> Result<Processed, Failure> {
        let Some(size) = id.size.filter(|&size| self.takes_whole(size)) else {
            return self.upload_after_reading(id, target).await;
        };
        let _held = self.hold(size).await?;
        let started = Instant::now();
        let (head, bytes) = self.get(id, None).await?;
        let download = started.elapsed();

        let started = Instant::now();
        let metadata = exif::read_whole(bytes.clone());
        let (record, added) = record(id, &head, metadata);
        let exif = started.elapsed();

        let started = Instant::now();
        self.put(target, bytes, head, added).await?;
        let times = Times {
            download,
            exif,
            upload: Some(started.elapsed()),
        };
        Ok(Processed { record, times })
    }

    /// The same where the image is too large to be held, or its front must tell how large it is.
    async fn upload_after_reading(&self, id: &ObjectId, target: &str) -> Result<Processed, Failure> {
        let read = self.read(id).await?;
        let (record, added) = record(id, &read.head, read.metadata);
        let started = Instant::now();
        if !self.takes_whole(read.head.size) {
            drop(read.whole);
            self.in_parts(&read.source, read.head, added, target).await?;
        } else if let Some((bytes, _held)) = read.whole {
            self.put(target, bytes, read.head, added).await?;
        } else {
            let _held = self.hold(read.head.size).await?;
            let (head, bytes) = self.get(&read.source, None).await?;
            self.put(target, bytes, head, added).await?;
        }
        let times = Times {
            download: read.download,
            exif: read.exif,
            upload: Some(started.elapsed()),
        };
        Ok(Processed { record, times })
    }

    fn takes_whole(&self, size: u64) -> bool {
        size <= MOST_WHOLE && self.pipeline.limits.memory.fits(size)
    }

    async fn put(&self, target: &str, bytes: Bytes, head: Head, added: HashMap<String, String>) -> Result<(), Failure> {
        let size = bytes.len() as u64;
        let _connection = self.turn_to_write().await;
        s3::put_image(
            &self.pipeline.clients.writes,
            &self.pipeline.destination.bucket,
            target,
            bytes,
            head,
            added,
        )
        .await?;
        self.pipeline.bytes_written.fetch_add(size, Relaxed);
        Ok(())
    }

    /// Reads what it takes, extracts, copies inside S3 where there is a `target`.
    pub(super) async fn copy(&self, id: &ObjectId, target: Option<&str>) -> Result<Processed, Failure> {
        let read = self.read(id).await?;
        drop(read.whole);
        let (record, added) = record(id, &read.head, read.metadata);
        let mut upload = None;
        if let Some(target) = target {
            let started = Instant::now();
            if read.head.size > filter::MAX_BYTES {
                self.in_parts(&read.source, read.head, added, target).await?;
            } else {
                let bucket = &self.pipeline.destination.bucket;
                let clients = &self.pipeline.clients;
                let client = if read.head.size > MOST_WHOLE {
                    &clients.large_copies
                } else {
                    &clients.writes
                };
                let _connection = self.turn_to_write().await;
                s3::copy_image(client, &read.source, bucket, target, read.head, added).await?;
            }
            upload = Some(started.elapsed());
        }
        let times = Times {
            download: read.download,
            exif: read.exif,
            upload,
        };
        Ok(Processed { record, times })
    }

    /// Uploads or copies an object part by part. Of one that fails nothing is left.
    async fn in_parts(
        &self,
        source: &ObjectId,
        head: Head,
        added: HashMap<String, String>,
        target: &str,
    ) -> Result<(), Failure> {
        let size = head.size;
        let least = if self.pipeline.images == Images::Upload {
            PART
        } else {
            COPIED_PART
        };
        let part = size.div_ceil(MAX_PARTS).next_multiple_of(MIB).max(least);
        let bucket = &self.pipeline.destination.bucket;
        let clients = &self.pipeline.clients;
        let client = if least == PART {
            &clients.writes
        } else {
            &clients.large_copies
        };
        let upload = {
            let _connection = self.turn_to_write().await;
            Upload::begin(client, bucket, target, head, added).await?
        };
        let ranges = (0..size.div_ceil(part)).map(|index| index * part..size.min((index + 1) * part));
        let parts = stream::iter((1..).zip(ranges))
            .map(|(number, range)| self.part(&upload, number, source, range))
            .buffer_unordered(PARTS_IN_FLIGHT)
            .try_collect();
        let done = async {
            let parts = parts.await?;
            let _connection = self.turn_to_write().await;
            upload.complete(parts).await
        };
        // S3 keeps the parts of an upload that nobody completes or aborts, so what ends this must not do so
        // before they are thrown away.
        let end = self.pipeline.schedule.end() - GOODBYE;
        let failure = tokio::select! {
            result = done => match result {
                Ok(()) => return Ok(()),
                Err(failure) => Some(failure),
            },
            _ = self.clock.is_up() => None,
            () = sleep_until(end) => None,
        };
        if let Err(failure) = upload.abort().await {
            warn!(%failure, "an upload in parts is left behind");
        }
        match failure {
            Some(failure) => Err(failure),
            // Whoever set the time says what it means that it is up.
            None => pending().await,
        }
    }

    async fn part(
        &self,
        upload: &Upload<'_>,
        number: i32,
        source: &ObjectId,
        range: Range<u64>,
    ) -> Result<CompletedPart, Failure> {
        if self.pipeline.images != Images::Upload {
            let _connection = self.turn_to_write().await;
            return upload.part_copied(number, source, range).await;
        }
        let size = range.end - range.start;
        let _held = self.hold(size).await?;
        let (_, bytes) = self.get(source, Some(range)).await?;
        let _connection = self.turn_to_write().await;
        let part = upload.part(number, bytes).await?;
        self.pipeline.bytes_written.fetch_add(size, Relaxed);
        Ok(part)
    }

    pub(super) async fn write_sidecar(&self, key: &str, record: &Record) -> Result<(), Failure> {
        let body = serde_json::to_vec(record).expect("a record is valid JSON");
        self.write_json(key, s3::JSON, body.into()).await
    }

    pub(super) async fn write_event_record(&self, record: &Record) -> Result<(), Failure> {
        let origin = &record.origin;
        let date = origin.last_modified.get(..10).unwrap_or("unknown");
        let id = event_id(&origin.bucket, &origin.key, origin.version_id.as_deref(), &origin.etag);
        let key = self.pipeline.destination.event_record(date, &id);
        self.write_json(&key, s3::NDJSON, ndjson(&[record])).await
    }

    pub(super) async fn write_failure(&self, id: &ObjectId, failure: &Failure) -> Result<(), Failure> {
        let file = event_id(&id.bucket, &id.key, id.version_id.as_deref(), &id.etag);
        let key = self.pipeline.destination.event_failed(&file);
        let line = FailedObject {
            bucket: &id.bucket,
            version_id: id.version_id.as_deref(),
            etag: &id.etag,
            failed: FailedKey::new(id.key.clone(), failure.class, &failure.message),
        };
        self.write_json(&key, s3::NDJSON, ndjson(&[line])).await
    }

    /// Writes a small file of ours. A repetition writes the same again.
    async fn write_json(&self, key: &str, content_type: &str, body: Bytes) -> Result<(), Failure> {
        self.pipeline.bytes_written.fetch_add(body.len() as u64, Relaxed);
        let _connection = self.turn_to_write().await;
        s3::put(
            &self.pipeline.clients.writes,
            &self.pipeline.destination.bucket,
            key,
            content_type,
            body,
        )
        .await
    }
}

/// A failed object that came by event. What a job writes down of a failed key, and which object it was.
#[derive(Serialize)]
struct FailedObject<'a> {
    bucket: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    etag: &'a str,
    #[serde(flatten)]
    failed: FailedKey,
}

/// The record of an image, and the user metadata its copy gets on top of its own.
fn record(id: &ObjectId, head: &Head, mut metadata: Metadata) -> (Record, HashMap<String, String>) {
    let added = summary::user_metadata(metadata.exif.as_ref(), &head.user_metadata, &mut metadata.warnings);
    let origin = Origin {
        bucket: id.bucket.clone(),
        key: id.key.clone(),
        version_id: head.version_id.clone(),
        etag: head.etag.clone(),
        size: head.size,
        last_modified: head.last_modified.clone(),
    };
    (Record::new(origin, metadata), added)
}
