//! Writes the image, by whichever way fits its size, and the files that go with it.

use std::collections::HashMap;

use bytes::Bytes;
use shared::exif;
use shared::failure::Failure;
use shared::filter;
use shared::record::Record;
use shared::s3::{self, Head, ObjectId};

use super::extract::record;
use super::multipart::PartSource;
use super::outcome::{Recorded, StageTimes};
use super::task::Task;
use crate::records::{File, event_file, failure_file, sidecar_body};

const MIB: u64 = 1024 * 1024;

/// A larger image is uploaded in parts.
const MAX_WHOLE_BYTES: u64 = 64 * MIB;

impl Task<'_> {
    /// Reads the metadata and writes nothing.
    pub async fn read_only(&self, id: &ObjectId) -> Result<Recorded, Failure> {
        let read = self.read_metadata(id).await?;
        let (record, _) = record(id, &read.head, read.metadata);
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            upload: None,
        };
        Ok(Recorded { record, times })
    }

    /// Reads the metadata and copies the image inside S3.
    pub async fn copy(&self, id: &ObjectId, target: &str) -> Result<Recorded, Failure> {
        let read = self.read_metadata(id).await?;
        drop(read.whole);
        let (record, added) = record(id, &read.head, read.metadata);
        let started = self.pipeline.clock.now();
        if read.head.size > filter::MAX_BYTES {
            self.in_parts(PartSource::Copied(&read.source), read.head, added, target)
                .await?;
        } else {
            let clients = self.pipeline.clients;
            let client = if read.head.size > MAX_WHOLE_BYTES {
                &clients.large_copies
            } else {
                &clients.writes
            };
            let bucket = &self.pipeline.settings.destination.bucket;
            let _connection = self.turn_to_write().await;
            s3::copy_image(client, &read.source, bucket, target, read.head, added).await?;
        }
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            upload: Some(self.pipeline.clock.now() - started),
        };
        Ok(Recorded { record, times })
    }

    /// Downloads all of an image, extracts its metadata, uploads it.
    pub async fn upload(&self, id: &ObjectId, target: &str) -> Result<Recorded, Failure> {
        let Some(size) = id.size.filter(|&size| self.takes_whole(size)) else {
            return self.upload_after_reading(id, target).await;
        };
        let clock = self.pipeline.clock;
        let _held = self.hold(size).await?;
        let started = clock.now();
        let (head, bytes) = self.get(id, None).await?;
        let downloaded = clock.now();
        let metadata = exif::read_whole(bytes.clone());
        let (record, added) = record(id, &head, metadata);
        let extracted = clock.now();
        self.put(target, bytes, head, added).await?;
        let times = StageTimes {
            download: downloaded - started,
            exif: extracted - downloaded,
            upload: Some(clock.now() - extracted),
        };
        Ok(Recorded { record, times })
    }

    /// The same where the image is too large to be held, or its front must tell how large it is.
    async fn upload_after_reading(&self, id: &ObjectId, target: &str) -> Result<Recorded, Failure> {
        let read = self.read_metadata(id).await?;
        let (record, added) = record(id, &read.head, read.metadata);
        let started = self.pipeline.clock.now();
        if !self.takes_whole(read.head.size) {
            drop(read.whole);
            self.in_parts(PartSource::Downloaded(&read.source), read.head, added, target)
                .await?;
        } else if let Some((bytes, _held)) = read.whole {
            self.put(target, bytes, read.head, added).await?;
        } else {
            let _held = self.hold(read.head.size).await?;
            let (head, bytes) = self.get(&read.source, None).await?;
            self.put(target, bytes, head, added).await?;
        }
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            upload: Some(self.pipeline.clock.now() - started),
        };
        Ok(Recorded { record, times })
    }

    fn takes_whole(&self, size: u64) -> bool {
        size <= MAX_WHOLE_BYTES && self.pipeline.limits.memory.fits(size)
    }

    async fn put(&self, target: &str, bytes: Bytes, head: Head, added: HashMap<String, String>) -> Result<(), Failure> {
        let size = bytes.len() as u64;
        let bucket = &self.pipeline.settings.destination.bucket;
        let _connection = self.turn_to_write().await;
        s3::put_image(&self.pipeline.clients.writes, bucket, target, bytes, head, added).await?;
        self.pipeline.traffic.add_written(size);
        Ok(())
    }

    pub async fn write_sidecar(&self, key: String, record: &Record) -> Result<(), Failure> {
        self.write_file(File {
            key,
            content_type: s3::JSON,
            body: sidecar_body(record),
        })
        .await
    }

    pub async fn write_event_file(&self, record: &Record) -> Result<(), Failure> {
        self.write_file(event_file(&self.pipeline.settings.destination, record))
            .await
    }

    pub async fn write_failure(&self, id: &ObjectId, failure: &Failure) -> Result<(), Failure> {
        self.write_file(failure_file(&self.pipeline.settings.destination, id, failure))
            .await
    }

    async fn write_file(&self, file: File) -> Result<(), Failure> {
        self.pipeline.traffic.add_written(file.body.len() as u64);
        let bucket = &self.pipeline.settings.destination.bucket;
        let _connection = self.turn_to_write().await;
        s3::put(
            &self.pipeline.clients.writes,
            bucket,
            &file.key,
            file.content_type,
            file.body,
        )
        .await
    }
}
