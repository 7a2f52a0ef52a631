//! One image through its stages, and many images at a time.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;
use futures::future::try_join_all;
use futures::{FutureExt, StreamExt, stream};
use shared::destination::Destination;
use shared::exif::{self, Answer, Metadata, Parts};
use shared::failure::{Class, Failure};
use shared::modes::Images;
use shared::record::{Origin, Record};
use shared::s3::{self, Head, ObjectId};
use shared::stages::Stages;
use shared::summary;
use tokio::time::{Instant, timeout_at};

use crate::in_flight::Memory;
use crate::pace::Pace;

/// The most that is read of an image only to find its EXIF.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Before the deadline: no image is started in the last 10 s, and those in flight end 2 s before it.
const LAST_START: Duration = Duration::from_secs(10);
const LAST_END: Duration = Duration::from_secs(2);

/// What one invocation works with.
pub struct Pipeline {
    pub s3: Client,
    pub images: Images,
    pub destination: Destination,
    pub memory: Memory,
    pub pace: Option<Pace>,
    /// How much of an image is read first when not all of it is wanted.
    pub front_bytes: u64,
    pub deadline: Instant,
    /// Of image data.
    pub bytes_read: AtomicU64,
    pub bytes_written: AtomicU64,
}

/// One object to process.
#[derive(Clone, Debug)]
pub struct Image {
    pub id: ObjectId,
    /// Its key relative to the source.
    pub relative_key: String,
}

pub enum Outcome {
    Ok(Box<Processed>),
    Failed(Failure),
    /// Not started, or not done, when the time was up.
    Unprocessed,
}

pub struct Processed {
    pub record: Record,
    download: Duration,
    exif: Duration,
    upload: Option<Duration>,
}

impl Processed {
    pub fn measure(&self, stages: &mut Stages) {
        stages.download.add(self.download);
        stages.exif.add(self.exif);
        if let Some(upload) = self.upload {
            stages.upload.add(upload);
        }
    }
}

impl Pipeline {
    /// Takes every image through the pipeline, `concurrency` at a time; the outcomes in the order of
    /// the images.
    pub async fn run(&self, images: &[Image], concurrency: usize) -> Vec<Outcome> {
        let mut outcomes: Vec<(usize, Outcome)> = stream::iter(0..images.len())
            .map(|index| async move { (index, self.isolated(&images[index]).await) })
            .buffer_unordered(concurrency)
            .collect()
            .await;
        outcomes.sort_unstable_by_key(|&(index, _)| index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// One image, whose hanging or panicking its neighbours do not notice.
    async fn isolated(&self, image: &Image) -> Outcome {
        if Instant::now() + LAST_START > self.deadline {
            return Outcome::Unprocessed;
        }
        let work = AssertUnwindSafe(self.process(image)).catch_unwind();
        match timeout_at(self.deadline - LAST_END, work).await {
            Ok(Ok(Ok(processed))) => Outcome::Ok(Box::new(processed)),
            Ok(Ok(Err(failure))) => Outcome::Failed(failure),
            Ok(Err(panic)) => Outcome::Failed(Failure::new(Class::Internal, panic_message(panic.as_ref()))),
            // It may have waited for its turn all the time, and to repeat it does no harm.
            Err(_) => Outcome::Unprocessed,
        }
    }

    async fn process(&self, image: &Image) -> Result<Processed, Failure> {
        let target = match self.images {
            Images::None => None,
            Images::Copy | Images::Upload => Some(self.target(image)?),
        };
        match (self.images, target) {
            (Images::Upload, Some(target)) => self.upload(image, &target).await,
            (_, target) => self.copy(image, target).await,
        }
    }

    fn target(&self, image: &Image) -> Result<String, Failure> {
        self.destination.image(&image.relative_key).ok_or_else(|| {
            Failure::new(
                Class::KeyTooLong,
                "with our folder in front its key would be longer than 1,024 bytes",
            )
        })
    }

    /// Download all of it, extract, upload.
    async fn upload(&self, image: &Image, target: &str) -> Result<Processed, Failure> {
        let size = if let Some(size) = image.id.size {
            size
        } else {
            self.slot().await;
            s3::size(&self.s3, &image.id).await?
        };
        let _held = self.memory.hold(size).await?;
        let started = Instant::now();
        let id = ObjectId {
            size: Some(size),
            ..image.id.clone()
        };
        let (head, bytes) = self.get(&id, None).await?;
        let download = started.elapsed();

        let started = Instant::now();
        let metadata = exif::read_whole(bytes.clone());
        let (record, added) = record(image, &head, metadata);
        let exif = started.elapsed();

        let started = Instant::now();
        self.slot().await;
        let size = bytes.len() as u64;
        s3::put_image(&self.s3, &self.destination.bucket, target, bytes, head, added).await?;
        self.bytes_written.fetch_add(size, Relaxed);
        Ok(Processed {
            record,
            download,
            exif,
            upload: Some(started.elapsed()),
        })
    }

    /// Read what it takes, extract, copy inside S3 where there is a `target`.
    async fn copy(&self, image: &Image, target: Option<String>) -> Result<Processed, Failure> {
        if target.is_some() && image.id.size.is_some_and(|size| size > shared::filter::MAX_BYTES) {
            return Err(Failure::new(Class::TooLarge, "one CopyObject takes up to 5 GiB"));
        }
        let Read {
            source,
            head,
            metadata,
            download,
            exif,
        } = self.read(&image.id).await?;
        let (record, added) = record(image, &head, metadata);

        let mut upload = None;
        if let Some(target) = target {
            let started = Instant::now();
            self.slot().await;
            s3::copy_image(&self.s3, &source, &self.destination.bucket, &target, head, added).await?;
            upload = Some(started.elapsed());
        }
        Ok(Processed {
            record,
            download,
            exif,
            upload,
        })
    }

    /// Reads metadata from the front of an object, and from those ranges of it that take more.
    async fn read(&self, id: &ObjectId) -> Result<Read, Failure> {
        let started = Instant::now();
        let mut permit = self
            .memory
            .hold(id.size.unwrap_or(u64::MAX).min(self.front_bytes))
            .await?;
        // No range fits an empty object.
        let range = (id.size != Some(0)).then_some(0..self.front_bytes);
        let (head, front) = self.get(id, range).await?;
        let mut download = started.elapsed();
        // From here on it is this very object, even where nobody said which it should be.
        let source = ObjectId {
            etag: head.etag.clone(),
            ..id.clone()
        };
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
            permit = self.memory.hold(bytes).await?;
            let reads = ranges.iter().cloned().map(|range| self.get(&source, Some(range)));
            for (range, (_, bytes)) in ranges.iter().zip(try_join_all(reads).await?) {
                file.insert(range.start, bytes);
            }
            download += started.elapsed();
        };
        drop(permit);
        Ok(Read {
            source,
            head,
            metadata,
            download,
            exif: started.elapsed().saturating_sub(download),
        })
    }

    async fn get(&self, id: &ObjectId, range: Option<Range<u64>>) -> Result<(Head, Bytes), Failure> {
        self.slot().await;
        let (head, bytes) = s3::get(&self.s3, id, range).await?;
        self.bytes_read.fetch_add(bytes.len() as u64, Relaxed);
        Ok((head, bytes))
    }

    async fn slot(&self) {
        if let Some(pace) = &self.pace {
            pace.slot().await;
        }
    }
}

/// An object whose metadata was read.
struct Read {
    source: ObjectId,
    head: Head,
    metadata: Metadata,
    download: Duration,
    exif: Duration,
}

/// The record of an image, and the user metadata its copy gets on top of its own.
fn record(image: &Image, head: &Head, mut metadata: Metadata) -> (Record, HashMap<String, String>) {
    let added = summary::user_metadata(metadata.exif.as_ref(), &head.user_metadata, &mut metadata.warnings);
    let origin = Origin {
        bucket: image.id.bucket.clone(),
        key: image.id.key.clone(),
        version_id: head.version_id.clone(),
        etag: head.etag.clone(),
        size: head.size,
        last_modified: head.last_modified.clone(),
    };
    (Record::new(origin, metadata), added)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}
