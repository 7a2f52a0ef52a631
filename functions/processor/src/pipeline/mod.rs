//! One image through its stages, and many images at a time.

mod clock;
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
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

use crate::event::Meant;
use crate::limits::Limits;
use crate::pace::Pace;
use crate::schedule::Schedule;

use clock::Clock;
pub use read::MOST_BYTES;

/// An image whose time is up gets so much more to clean up.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often an object is taken again that was replaced while it was processed.
const REPLACED: u32 = 5;

/// What one invocation works with.
pub struct Pipeline<'a> {
    pub clients: Clients,
    pub limits: &'a Limits,
    pub images: Images,
    pub records: PerImage,
    /// Whether what failed for good is written into the destination.
    pub write_down_failures: bool,
    pub destination: Destination,
    pub pace: Option<Pace>,
    /// Where a rate is kept to, more images in flight would only wait for each other.
    pub most_in_flight: usize,
    /// How much of an image is read first when not all of it is wanted.
    pub front_bytes: u64,
    pub schedule: Schedule,
    /// Of image data.
    pub bytes_read: AtomicU64,
    pub bytes_written: AtomicU64,
}

/// Clients whose time-outs fit what they ask.
pub struct Clients {
    pub reads: Client,
    /// Of what passes through the function, and copies that are no larger than that.
    pub writes: Client,
    pub large_copies: Client,
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
    Ok(Done),
    Failed(Failure),
    /// Not started, or not done, when the time was up.
    Unprocessed,
}

struct Processed {
    record: Record,
    times: Times,
}

/// How long each stage took.
#[derive(Clone, Copy)]
struct Times {
    download: Duration,
    exif: Duration,
    upload: Option<Duration>,
}

/// What is kept of an image until all of its invocation are done. Its record is kept as it is written: with
/// all its values it takes three times the memory.
pub struct Done {
    /// JSON, without a newline.
    pub record: Box<[u8]>,
    pub with_exif: bool,
    /// Of the object, in bytes.
    size: u64,
    times: Times,
}

impl From<Processed> for Done {
    fn from(Processed { record, times }: Processed) -> Self {
        Self {
            record: serde_json::to_vec(&record).expect("a record is valid JSON").into(),
            with_exif: record.exif.is_some(),
            size: record.origin.size,
            times,
        }
    }
}

impl Done {
    pub fn measure(&self, stages: &mut Stages) {
        stages.download.add(self.times.download);
        stages.exif.add(self.times.exif);
        if let Some(upload) = self.times.upload {
            stages.upload.add(upload);
        }
    }
}

impl Pipeline<'_> {
    /// Takes every image through the pipeline, as many at a time as the limits allow; the outcomes in the
    /// order of the images.
    pub async fn run(&self, images: &[Image]) -> Vec<Outcome> {
        // An image that waits for its slot takes no memory yet.
        let slots = self.limits.in_flight.slots(images.len(), self.schedule.end());
        let mut outcomes: Vec<(usize, Outcome)> = slots
            .map(|(index, slot)| async move {
                let outcome = match slot {
                    Some(slot) => {
                        let outcome = self.scheduled(&images[index]).await;
                        drop(slot);
                        outcome
                    }
                    None => Outcome::Unprocessed,
                };
                (index, outcome)
            })
            .buffer_unordered(self.most_in_flight)
            .collect()
            .await;
        outcomes.sort_unstable_by_key(|&(index, _)| index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// One image within its time.
    async fn scheduled(&self, image: &Image) -> Outcome {
        let moved = self.moved(image.id.size.unwrap_or(0));
        let started = Instant::now();
        if !self.schedule.may_start(started, moved) {
            return Outcome::Unprocessed;
        }
        let clock = Clock::start(self.schedule.limit(moved));
        let task = Task {
            pipeline: self,
            clock: &clock,
        };
        let time_is_up = async {
            let limit = clock.is_up().await;
            sleep(GOODBYE).await;
            limit
        };
        let work = async { task.written_down(image).await.map(Done::from) };
        let outcome = isolated(work, time_is_up, self.schedule.end()).await;
        if let Outcome::Ok(done) = &outcome {
            let moved = self.moved(done.size);
            self.schedule.took(started.elapsed(), moved);
        }
        outcome
    }

    /// How many bytes of an image of this size must be moved to write it.
    fn moved(&self, size: u64) -> u64 {
        match self.images {
            Images::None => 0,
            // S3 copies by itself some times as fast as a function can.
            Images::Copy => size / 8,
            Images::Upload => size.saturating_mul(2),
        }
    }

    /// Whether what is written goes by the key alone, so that another state of the object would be lost.
    fn overwrites(&self) -> bool {
        self.images != Images::None || self.records == PerImage::Sidecar
    }
}

/// One image under way.
struct Task<'a> {
    pipeline: &'a Pipeline<'a>,
    clock: &'a Clock,
}

impl<'a> Task<'a> {
    /// One image, and its failure written down if it is for good and nobody else remembers it.
    async fn written_down(&self, image: &Image) -> Result<Processed, Failure> {
        let failure = match self.newest(image).await {
            Err(failure) if self.pipeline.write_down_failures && !failure.class.is_passing() => failure,
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
    /// last replacement, or been followed by its event: an older result never stays. One that was replaced
    /// before it was read is no different: an earlier try of the same event may have written it, and ended
    /// before it looked.
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
            let processed = match self.process(image, &id).await {
                Err(failure) if failure.class == Class::Changed && self.pipeline.overwrites() => None,
                result => Some(result?),
            };
            if let Some(processed) = processed
                && (!self.pipeline.overwrites() || self.is_current(&processed.record).await?)
            {
                return Ok(processed);
            }
            id = ObjectId::any(&id.bucket, id.key);
        }
        let error = format!("it was replaced {REPLACED} times while it was processed");
        Err(Failure::new(Class::Throttled, error))
    }

    /// Whether an object is still what was read of it.
    async fn is_current(&self, record: &Record) -> Result<bool, Failure> {
        let now = ObjectId::any(&record.origin.bucket, record.origin.key.clone());
        let _connection = self.turn_to_read().await;
        match s3::head(&self.pipeline.clients.reads, &now).await {
            Ok(now) => Ok(now.etag == record.origin.etag),
            // Deleted since: there is nothing newer. Without the permission to list S3 says so with a 403.
            Err(gone) if matches!(gone.class, Class::NotFound | Class::AccessDenied) => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    async fn process(&self, image: &Image, id: &ObjectId) -> Result<Processed, Failure> {
        if let Some(class) = &image.storage_class {
            let error = format!("it is in {class}: restore it first");
            return Err(Failure::new(Class::Archived, error));
        }
        let Pipeline {
            images,
            records,
            destination,
            ..
        } = self.pipeline;
        let target = match images {
            Images::None => None,
            Images::Copy | Images::Upload => Some(destination.image(&image.relative_key).ok_or_else(too_long)?),
        };
        let sidecar = match records {
            PerImage::Sidecar => Some(destination.sidecar(&image.relative_key).ok_or_else(too_long)?),
            PerImage::Kept | PerImage::Event => None,
        };
        let processed = match (images, target) {
            (Images::Upload, Some(target)) => self.upload(id, &target).await?,
            (_, target) => self.copy(id, target.as_deref()).await?,
        };
        if let Some(sidecar) = sidecar {
            self.write_sidecar(&sidecar, &processed.record).await?;
        }
        if *records == PerImage::Event {
            self.write_event_record(&processed.record).await?;
        }
        Ok(processed)
    }

    /// Waits for the turn of a request to the source, and holds its connection.
    async fn turn_to_read(&self) -> SemaphorePermit<'a> {
        self.turn(&self.pipeline.limits.reads).await
    }

    /// The same for the destination.
    async fn turn_to_write(&self) -> SemaphorePermit<'a> {
        self.turn(&self.pipeline.limits.writes).await
    }

    async fn turn(&self, connections: &'a Semaphore) -> SemaphorePermit<'a> {
        let turn = async {
            if let Some(pace) = &self.pipeline.pace {
                pace.slot().await;
            }
            connections.acquire().await.expect("the semaphore is never closed")
        };
        self.clock.stopped(turn).await
    }

    /// Waits until so many bytes of an image fit into the memory.
    async fn hold(&self, bytes: u64) -> Result<SemaphorePermit<'a>, Failure> {
        self.clock.stopped(self.pipeline.limits.memory.hold(bytes)).await
    }
}

fn too_long() -> Failure {
    Failure::new(
        Class::KeyTooLong,
        "with our folder in front its key would be longer than 1,024 bytes",
    )
}

/// The work on one image, whose hanging or panicking its neighbours do not notice.
async fn isolated(
    work: impl Future<Output = Result<Done, Failure>>,
    time_is_up: impl Future<Output = Duration>,
    end: Instant,
) -> Outcome {
    tokio::select! {
        result = AssertUnwindSafe(work).catch_unwind() => match result {
            Ok(Ok(done)) => Outcome::Ok(done),
            Ok(Err(failure)) => Outcome::Failed(failure),
            Err(panic) => Outcome::Failed(Failure::new(Class::Internal, panic_message(panic.as_ref()))),
        },
        limit = time_is_up => {
            let error = format!("it was not done within {:.0} s (IMAGE_TIMEOUT_SECONDS, and more for its bytes)", limit.as_secs_f64());
            Outcome::Failed(Failure::new(Class::Timeout, error))
        }
        // It had less time than others, and to repeat it does no harm.
        () = sleep_until(end) => Outcome::Unprocessed,
    }
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

    async fn outcome(
        work: impl Future<Output = Result<Done, Failure>>,
        time_is_up: impl Future<Output = Duration>,
        end_in: Duration,
    ) -> String {
        match isolated(work, time_is_up, Instant::now() + end_in).await {
            Outcome::Failed(failure) => format!("{}: {failure}", failure.class),
            Outcome::Ok(_) => "ok".to_owned(),
            Outcome::Unprocessed => "unprocessed".to_owned(),
        }
    }

    #[tokio::test]
    async fn whatever_one_image_does_has_an_outcome() {
        let (long, short) = (Duration::from_secs(60), Duration::from_millis(1));
        let panicking = async { panic!("of its own") };
        assert_eq!(
            outcome(panicking, pending(), long).await,
            "internal: panicked: of its own"
        );
        assert!(outcome(pending(), ready(short), long).await.starts_with("timeout: "));
        assert_eq!(outcome(pending(), pending(), short).await, "unprocessed");
        let failed = ready(Err(Failure::new(Class::Changed, "replaced")));
        assert_eq!(outcome(failed, pending(), long).await, "changed: replaced");
    }
}
