//! Download: all of an image, or only what it takes to find its metadata.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use shared::exif::{self, Answer, Metadata, Parts};
use shared::failure::{Class, Failure};
use shared::s3::{self, Head, ObjectId};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::Task;

/// The most that is read of an image only to find its EXIF.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// An object whose metadata was read.
pub struct Read<'a> {
    /// This very object, even where nobody said which it should be.
    pub source: ObjectId,
    pub head: Head,
    pub metadata: Metadata,
    /// All of it, if its front is that, and the memory it takes.
    pub whole: Option<(Bytes, SemaphorePermit<'a>)>,
    pub download: Duration,
    pub exif: Duration,
}

impl<'a> Task<'a> {
    /// Reads metadata from the front of an object, and from those ranges of it that take more.
    pub(super) async fn read(&self, id: &ObjectId) -> Result<Read<'a>, Failure> {
        let started = Instant::now();
        let front_bytes = self.pipeline.front_bytes;
        let mut permit = self.hold(id.size.unwrap_or(u64::MAX).min(front_bytes)).await?;
        // No range fits an empty object.
        let range = (id.size != Some(0)).then_some(0..front_bytes);
        let (head, front) = self.get(id, range).await?;
        let mut download = started.elapsed();
        self.clock
            .set_limit(self.pipeline.schedule.limit(self.pipeline.moved(head.size)));
        let source = ObjectId {
            etag: head.etag.clone(),
            size: Some(head.size),
            ..id.clone()
        };
        let whole = (front.len() as u64 == head.size).then(|| front.clone());
        let mut file = Parts::new(head.size);
        file.insert(0, front);
        let metadata = loop {
            let ranges = match exif::read(&file) {
                Answer::Done(metadata) => break metadata,
                Answer::Need(ranges) => ranges,
            };
            let started = Instant::now();
            let bytes = file.held() + ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            if bytes > MOST_BYTES {
                let error = format!("{bytes} bytes of it would have to be read to find its EXIF");
                return Err(Failure::new(Class::TooLarge, error));
            }
            // Images that waited for more while they keep what they have could wait for each other for
            // ever. So what is read already is not counted for as long as this one waits.
            drop(permit);
            permit = self.hold(bytes).await?;
            let reads = ranges.iter().cloned().map(|range| self.get(&source, Some(range)));
            for (range, (_, bytes)) in ranges.iter().zip(try_join_all(reads).await?) {
                file.insert(range.start, bytes);
            }
            download += started.elapsed();
        };
        Ok(Read {
            source,
            head,
            metadata,
            whole: whole.map(|whole| (whole, permit)),
            download,
            exif: started.elapsed().saturating_sub(download),
        })
    }

    pub(super) async fn get(&self, id: &ObjectId, range: Option<Range<u64>>) -> Result<(Head, Bytes), Failure> {
        let _connection = self.turn_to_read().await;
        let (head, bytes) = s3::get(&self.pipeline.clients.reads, id, range).await?;
        self.pipeline.bytes_read.fetch_add(bytes.len() as u64, Relaxed);
        Ok((head, bytes))
    }
}
