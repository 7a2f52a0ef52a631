//! One image through its stages, and many images at a time.

mod read;
mod write;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use aws_sdk_s3::Client;
use futures::{FutureExt, StreamExt};
use shared::destination::Destination;
use shared::failure::{Class, Failure};
use shared::modes::Images;
use shared::record::Record;
use shared::s3::{self, ObjectId};
use shared::stages::Stages;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use crate::event::Meant;
use crate::limits::{Limits, MOST_IN_FLIGHT};
use crate::pace::Pace;
use crate::schedule::Schedule;

pub use read::MOST_BYTES;

/// How often an object is taken again that was replaced while it was processed.
const REPLACED: u32 = 5;

/// What one invocation works with.
pub struct Pipeline<'a> {
    /// With time-outs that fit reads.
    pub reads: Client,
    pub writes: Client,
    pub limits: &'a Limits,
    pub images: Images,
    pub records: PerImage,
    /// Whether what failed for good is written into the destination.
    pub write_down_failures: bool,
    pub destination: Destination,
    pub pace: Option<Pace>,
    /// How much of an image is read first when not all of it is wanted.
    pub front_bytes: u64,
    pub schedule: Schedule,
    /// Of image data.
    pub bytes_read: AtomicU64,
    pub bytes_written: AtomicU64,
}

/// What is done with each record as soon as there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerImage {
    /// Nothing: the caller gets it.
    Kept,
    /// A file named after the image.
    Sidecar,
    /// A file of its own among the records of events.
    Event,
}

/// One object to process.
#[derive(Clone, Debug)]
pub struct Image {
    pub id: ObjectId,
    /// Its key relative to the source.
    pub relative_key: String,
    pub meant: Meant,
    /// Where it is archived, if it is.
    pub storage_class: Option<String>,
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

impl Pipeline<'_> {
    /// Takes every image through the pipeline, as many at a time as the limits allow; the outcomes in the
    /// order of the images.
    pub async fn run(&self, images: &[Image]) -> Vec<Outcome> {
        // An image that waits for its slot takes no memory yet.
        let slots = self.limits.in_flight.slots(images.len());
        let mut outcomes: Vec<(usize, Outcome)> = slots
            .map(|(index, slot)| async move {
                let outcome = self.scheduled(&images[index]).await;
                drop(slot);
                (index, outcome)
            })
            .buffer_unordered(MOST_IN_FLIGHT)
            .collect()
            .await;
        outcomes.sort_unstable_by_key(|&(index, _)| index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// One image within its time.
    async fn scheduled(&self, image: &Image) -> Outcome {
        let moved = self.moved(image);
        let started = Instant::now();
        if !self.schedule.may_start(started, moved) {
            return Outcome::Unprocessed;
        }
        let outcome = isolated(
            self.schedule.end(),
            self.schedule.limit(moved),
            self.written_down(image),
        )
        .await;
        if let Outcome::Ok(_) = outcome {
            self.schedule.took(started.elapsed(), moved);
        }
        outcome
    }

    /// How many bytes of an image pass through this function beside its front.
    fn moved(&self, image: &Image) -> u64 {
        match self.images {
            Images::Upload => image.id.size.unwrap_or(0).saturating_mul(2),
            Images::None | Images::Copy => 0,
        }
    }

    /// One image, and its failure written down if it is for good and nobody else remembers it.
    async fn written_down(&self, image: &Image) -> Result<Processed, Failure> {
        let failure = match self.newest(image).await {
            Err(failure) if self.write_down_failures && !failure.class.is_passing() => failure,
            result => return result,
        };
        if failure.class == Class::Changed {
            return Err(failure);
        }
        match self.write_failure(&image.id, &failure).await {
            Ok(()) => Err(failure),
            Err(unwritten) => Err(Failure::new(
                Class::Internal,
                format!("{failure}; and that cannot be written down: {unwritten}"),
            )),
        }
    }

    /// Processes an object until what was written is the newest there is.
    ///
    /// Events come out of order, and while this one was at work the object may have been replaced and its
    /// successor's event been done. So whoever has written looks whether the object is still the one that
    /// was read, and takes the new one if not. The last to write a key then has always looked after the
    /// last replacement, or been followed by its event: an older result never stays.
    async fn newest(&self, image: &Image) -> Result<Processed, Failure> {
        let mut id = image.id.clone();
        if !matches!(image.meant, Meant::Newest { .. }) {
            return self.process(image, &id).await;
        }
        if !id.etag.is_empty() {
            // Whether this version is still the current one is told by the current one's `ETag`.
            id.version_id = None;
        }
        for _ in 0..REPLACED {
            let processed = self.process(image, &id).await?;
            if !self.overwrites() {
                return Ok(processed);
            }
            let now = ObjectId::any(&id.bucket, id.key.clone());
            let _connection = self.connection().await;
            match s3::head(&self.reads, &now).await {
                Ok(now) if now.etag != processed.record.origin.etag => {
                    id = ObjectId {
                        version_id: None,
                        ..now
                    };
                }
                Ok(_) => return Ok(processed),
                // Deleted since. Without the permission to list S3 says so with a 403.
                Err(gone) if matches!(gone.class, Class::NotFound | Class::AccessDenied) => return Ok(processed),
                Err(failure) => return Err(failure),
            }
        }
        let error = format!("it was replaced {REPLACED} times while it was processed");
        Err(Failure::new(Class::Throttled, error))
    }

    /// Whether what is written goes by the key alone, so that another state of the object would be lost.
    fn overwrites(&self) -> bool {
        self.images != Images::None || self.records == PerImage::Sidecar
    }

    async fn process(&self, image: &Image, id: &ObjectId) -> Result<Processed, Failure> {
        if let Some(class) = &image.storage_class {
            let error = format!("it is in {class}: restore it first");
            return Err(Failure::new(Class::Archived, error));
        }
        let target = match self.images {
            Images::None => None,
            Images::Copy | Images::Upload => Some(self.destination.image(&image.relative_key).ok_or_else(too_long)?),
        };
        let sidecar = match self.records {
            PerImage::Sidecar => Some(self.destination.sidecar(&image.relative_key).ok_or_else(too_long)?),
            PerImage::Kept | PerImage::Event => None,
        };
        let processed = match (self.images, target) {
            (Images::Upload, Some(target)) => self.upload(id, &target).await?,
            (_, target) => self.copy(id, target.as_deref()).await?,
        };
        if let Some(sidecar) = sidecar {
            self.write_sidecar(&sidecar, &processed.record).await?;
        }
        if self.records == PerImage::Event {
            self.write_event_record(&processed.record).await?;
        }
        Ok(processed)
    }

    /// Waits for the turn of one request, and holds its connection.
    async fn connection(&self) -> SemaphorePermit<'_> {
        if let Some(pace) = &self.pace {
            pace.slot().await;
        }
        let connections = &self.limits.connections;
        connections.acquire().await.expect("the semaphore is never closed")
    }
}

/// The work on one image, whose hanging or panicking its neighbours do not notice.
async fn isolated(end: Instant, limit: Duration, work: impl Future<Output = Result<Processed, Failure>>) -> Outcome {
    let work = AssertUnwindSafe(work).catch_unwind();
    match timeout_at(end, timeout(limit, work)).await {
        Ok(Ok(Ok(Ok(processed)))) => Outcome::Ok(Box::new(processed)),
        Ok(Ok(Ok(Err(failure)))) => Outcome::Failed(failure),
        Ok(Ok(Err(panic))) => Outcome::Failed(Failure::new(Class::Internal, panic_message(panic.as_ref()))),
        Ok(Err(_)) => {
            let error = format!("it was not done after {:.0} s", limit.as_secs_f64());
            Outcome::Failed(Failure::new(Class::Timeout, error))
        }
        // It had less time than others, and to repeat it does no harm.
        Err(_) => Outcome::Unprocessed,
    }
}

fn too_long() -> Failure {
    Failure::new(
        Class::KeyTooLong,
        "with our folder in front its key would be longer than 1,024 bytes",
    )
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    async fn class(
        end_in: Duration,
        limit: Duration,
        work: impl Future<Output = Result<Processed, Failure>>,
    ) -> String {
        match isolated(Instant::now() + end_in, limit, work).await {
            Outcome::Failed(failure) => failure.to_string(),
            Outcome::Ok(_) => "ok".to_owned(),
            Outcome::Unprocessed => "unprocessed".to_owned(),
        }
    }

    #[tokio::test]
    async fn whatever_one_image_does_has_an_outcome() {
        let (long, short) = (Duration::from_secs(60), Duration::from_millis(1));
        let panicking = async { panic!("of its own") };
        assert_eq!(class(long, long, panicking).await, "panicked: of its own");
        assert_eq!(class(long, short, pending()).await, "it was not done after 0 s");
        assert_eq!(class(short, long, pending()).await, "unprocessed");
        let failed = ready(Err(Failure::new(Class::Changed, "changed")));
        assert_eq!(class(long, long, failed).await, "changed");
    }
}
