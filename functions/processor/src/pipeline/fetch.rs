use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use shared::metadata::{self, FileView, Metadata, Progress, Skim};
use shared::object::{ObjectMeta, ObjectRef};
use shared::protocol::failure::{Failure, FailureClass};
use shared::s3;
use tokio::sync::OwnedSemaphorePermit;

use super::task::Task;
use crate::config::MAX_METADATA_BYTES;

/// An object whose metadata was read.
pub struct MetadataRead {
    /// The object that was read, with its `ETag` and size, even if the caller did not name them.
    pub object: ObjectRef,
    pub meta: ObjectMeta,
    pub metadata: Metadata,
    /// The whole image and its memory, if the front is the whole image.
    pub whole: Option<(Bytes, OwnedSemaphorePermit)>,
    pub download: Duration,
    pub exif: Duration,
}

impl Task<'_> {
    /// Reads the metadata of an object from its front and, if needed, from further ranges.
    pub async fn read_metadata(&self, object: &ObjectRef) -> Result<MetadataRead, Failure> {
        let started = self.pipeline.clock.now();
        let front_bytes = self.pipeline.front_bytes;
        // The record of an image takes memory beside its bytes: its values, and its JSON.
        let record_bytes = 2 * self.pipeline.max_record_bytes as u64;
        let mut permit = self
            .hold(object.size.unwrap_or(u64::MAX).min(front_bytes) + record_bytes)
            .await?;
        // Without a range, S3 sends a checksum of the object. Also, it refuses every range of an empty object.
        let fits = object.size.is_some_and(|size| size <= front_bytes);
        let range = (!fits).then_some(0..front_bytes);
        let (meta, front) = self.get(object, range).await?;
        let mut download = self.pipeline.clock.now() - started;
        let profile = self.pipeline.settings.images.profile();
        let transferred_bytes = profile.transferred_bytes(meta.size);
        self.timer.set_limit(self.pipeline.schedule.limit(transferred_bytes));
        let object = ObjectRef {
            etag: meta.etag.clone(),
            size: Some(meta.size),
            ..object.clone()
        };
        let whole = (front.len() as u64 == meta.size).then(|| front.clone());
        let mut file = FileView::new(meta.size);
        file.insert(0, front);
        let metadata = loop {
            let started = self.pipeline.clock.now();
            let ranges = match metadata::read(&file) {
                Progress::Complete(metadata) => break metadata,
                Progress::NeedRanges(ranges) => ranges,
                Progress::NeedStream(skim) => {
                    // On the heap, because the future is large and few images need it.
                    Box::pin(self.skim(&object, skim, &mut file)).await?;
                    download += self.pipeline.clock.now() - started;
                    continue;
                }
            };
            let bytes = file.held() + ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            check_limit(bytes)?;
            // If images kept memory while they wait for more, they could wait for each other forever. So the bytes that
            // are already read do not count while this image waits.
            drop(permit);
            permit = self.hold(bytes + record_bytes).await?;
            let reads = ranges.iter().cloned().map(|range| self.get(&object, Some(range)));
            for (range, (_, bytes)) in ranges.iter().zip(try_join_all(reads).await?) {
                file.insert(range.start, bytes);
            }
            download += self.pipeline.clock.now() - started;
        };
        Ok(MetadataRead {
            object,
            meta,
            metadata,
            whole: whole.map(|whole| (whole, permit)),
            download,
            exif: (self.pipeline.clock.now() - started).saturating_sub(download),
        })
    }

    /// Reads the rest of a file as a stream, and keeps what can hold metadata.
    async fn skim(&self, object: &ObjectRef, mut skim: Skim, file: &mut FileView) -> Result<(), Failure> {
        let rest = skim.from()..file.size();
        check_limit(file.held() + rest.end - rest.start)?;
        let _connection = self.turn_to_read().await;
        let reads = &self.pipeline.clients.reads;
        s3::stream_object(reads, &self.image.bucket, object, rest.clone(), |bytes| {
            skim.feed(bytes);
        })
        .await?;
        self.pipeline.traffic.add_read(rest.end - rest.start);
        skim.finish(file);
        Ok(())
    }
}

fn check_limit(bytes: u64) -> Result<(), Failure> {
    if bytes <= MAX_METADATA_BYTES {
        return Ok(());
    }
    let error = format!("{bytes} bytes must be read to find its EXIF; the limit is {MAX_METADATA_BYTES}");
    Err(Failure::new(FailureClass::TooLarge, error))
}
