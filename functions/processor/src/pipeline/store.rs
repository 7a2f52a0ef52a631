//! Writes the image in the way that fits its size, and the files that belong to it.

use std::collections::HashMap;

use bytes::Bytes;
use shared::filter;
use shared::metadata::record::{Origin, Record};
use shared::metadata::{self, Metadata};
use shared::object::{ObjectMeta, ObjectRef, ObjectUri};
use shared::protocol::failure::Failure;
use shared::s3::{self, CopySource};

use super::extract::record;
use super::multipart::PartSource;
use super::outcome::{Recorded, StageTimes};
use super::task::Task;
use crate::records::{ANNOTATION, File, event_file, failure_file};

const MIB: u64 = 1024 * 1024;

/// Warnings about headers of the source that no request can repeat.
const WITHOUT_SUMMARY: &str =
    "the image has headers that cannot be repeated; S3 keeps them, so the copy has no user metadata of ours";
const WITHOUT_HEADERS: &str = "the image has headers or user metadata that cannot be repeated; they are left out";

/// Larger images are uploaded in parts.
const MAX_WHOLE_BYTES: u64 = 64 * MIB;

impl Task<'_> {
    /// Reads the metadata and writes nothing.
    pub async fn read_only(&self, object: &ObjectRef) -> Result<Recorded, Failure> {
        let read = self.read_metadata(object).await?;
        let (record, _) = self.record(&read.meta, read.metadata);
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            transform: None,
            upload: None,
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    /// Reads the metadata and copies the image inside S3.
    pub async fn copy(&self, object: &ObjectRef, target: &ObjectUri) -> Result<Recorded, Failure> {
        let read = self.read_metadata(object).await?;
        drop(read.whole);
        let is_in_parts = read.meta.size > filter::MAX_OBJECT_BYTES;
        // S3 itself keeps headers that a request cannot repeat, if nothing is added to them.
        let keeps_all = read.meta.has_other_headers && !is_in_parts;
        let (mut record, mut added) = self.record(&read.meta, read.metadata);
        if keeps_all {
            added.clear();
            record.warnings.push(WITHOUT_SUMMARY.to_owned());
        } else if read.meta.has_other_headers {
            record.warnings.push(WITHOUT_HEADERS.to_owned());
        }
        let started = self.pipeline.clock.now();
        if is_in_parts {
            self.in_parts(PartSource::Copied(&read.object), read.meta, added, target)
                .await?;
        } else {
            let source = CopySource {
                bucket: &self.image.bucket,
                object: &read.object,
            };
            let _connection = self.turn_to_write().await;
            s3::copy_image(&self.pipeline.clients.copies, source, target, read.meta, added).await?;
        }
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            transform: None,
            upload: Some(self.pipeline.clock.now() - started),
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    /// Downloads the whole image, extracts its metadata, and uploads the image.
    pub async fn upload(&self, object: &ObjectRef, target: &ObjectUri) -> Result<Recorded, Failure> {
        let Some(size) = object.size.filter(|&size| self.takes_whole(size)) else {
            return self.upload_after_reading(object, target).await;
        };
        let clock = self.pipeline.clock;
        let _held = self.hold(size).await?;
        let started = clock.now();
        let (meta, bytes) = self.get(object, None).await?;
        let downloaded = clock.now();
        let metadata = metadata::read_whole(bytes.clone());
        let (mut record, added) = self.record(&meta, metadata);
        if meta.has_other_headers {
            record.warnings.push(WITHOUT_HEADERS.to_owned());
        }
        let extracted = clock.now();
        self.put(target, bytes, meta, added).await?;
        let times = StageTimes {
            download: downloaded - started,
            exif: extracted - downloaded,
            transform: None,
            upload: Some(clock.now() - extracted),
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    /// Uploads an image that is too large to be held in memory, or whose size is known only after a first read.
    async fn upload_after_reading(&self, object: &ObjectRef, target: &ObjectUri) -> Result<Recorded, Failure> {
        let read = self.read_metadata(object).await?;
        let (mut record, added) = self.record(&read.meta, read.metadata);
        if read.meta.has_other_headers {
            record.warnings.push(WITHOUT_HEADERS.to_owned());
        }
        let started = self.pipeline.clock.now();
        if !self.takes_whole(read.meta.size) {
            drop(read.whole);
            self.in_parts(PartSource::Downloaded(&read.object), read.meta, added, target)
                .await?;
        } else if let Some((bytes, _held)) = read.whole {
            self.put(target, bytes, read.meta, added).await?;
        } else {
            let _held = self.hold(read.meta.size).await?;
            let (meta, bytes) = self.get(&read.object, None).await?;
            self.put(target, bytes, meta, added).await?;
        }
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            transform: None,
            upload: Some(self.pipeline.clock.now() - started),
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    pub(super) fn takes_whole(&self, size: u64) -> bool {
        size <= MAX_WHOLE_BYTES && self.pipeline.limits.memory.fits(size)
    }

    pub(super) async fn put(
        &self,
        target: &ObjectUri,
        bytes: Bytes,
        meta: ObjectMeta,
        added: HashMap<String, String>,
    ) -> Result<(), Failure> {
        let size = bytes.len() as u64;
        let _connection = self.turn_to_write().await;
        s3::put_image(&self.pipeline.clients.writes, target, bytes, meta, added).await?;
        self.pipeline.traffic.add_written(size);
        Ok(())
    }

    pub async fn write_sidecar(&self, target: ObjectUri, record: Bytes) -> Result<(), Failure> {
        self.write_file(File {
            target,
            content_type: s3::JSON,
            body: record,
        })
        .await
    }

    /// Attaches the record to the object that was read. An object that was replaced meanwhile is `changed`.
    pub async fn annotate(&self, object: &ObjectRef, origin: &Origin, record: Bytes) -> Result<(), Failure> {
        let read = ObjectRef {
            etag: origin.etag.clone(),
            ..object.clone()
        };
        let clients = self.pipeline.clients;
        let bucket = &self.image.bucket;
        let _connection = self.turn_to_read().await;
        let known = async || s3::expect_annotations(&clients.reads, bucket, &read).await;
        clients.knows_annotations.get_or_try_init(known).await?;
        self.pipeline.traffic.add_written(record.len() as u64);
        Ok(s3::put_annotation(&clients.writes, bucket, &read, ANNOTATION, record).await?)
    }

    pub async fn write_event_file(&self, origin: &Origin, record: &[u8]) -> Result<(), Failure> {
        self.write_file(event_file(&self.pipeline.settings.destination, origin, record))
            .await
    }

    pub async fn write_failure(&self, failure: &Failure) -> Result<(), Failure> {
        self.write_file(failure_file(&self.pipeline.settings.destination, self.image, failure))
            .await
    }

    async fn write_file(&self, file: File) -> Result<(), Failure> {
        self.pipeline.traffic.add_written(file.body.len() as u64);
        let client = &self.pipeline.clients.writes;
        let _connection = self.turn_to_write().await;
        Ok(s3::put_object(client, &file.target, file.content_type, file.body).await?)
    }

    pub(super) fn record(&self, meta: &ObjectMeta, metadata: Metadata) -> (Record, HashMap<String, String>) {
        record(&self.image.bucket, &self.image.object.key, meta, metadata)
    }
}
