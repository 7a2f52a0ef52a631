//! Processes one image in stages, and many images at the same time.
//!
//! | module | content |
//! |---|---|
//! | [`current`] | processes an image until the version that was written is the latest one |
//! | [`route`] | what each mode does with an image |
//! | [`fetch`] | reads the metadata of an image from its front and from further ranges |
//! | [`extract`] | makes the record of an image |
//! | [`transform`], [`finish`] | makes other pictures of an image, and writes them with their metadata |
//! | [`strip`] | writes the same picture without its metadata |
//! | [`store`], [`multipart`] | write the image, in one request or in parts, and the files that belong to it |
//! | [`outcome`] | the outcome of an image, and how long its stages took |
//! | [`task`] | one image in flight: its requests, its memory, its time |

mod current;
mod extract;
mod fetch;
mod finish;
mod multipart;
mod outcome;
mod route;
mod store;
mod strip;
mod task;
mod transform;

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures::{FutureExt, StreamExt};
use shared::clock::Clock;
use shared::protocol::failure::{Failure, FailureClass, Systemic};

use crate::clients::Clients;
use crate::image::Image;
use crate::limits::deadline::{Expired, ImageTimer, Schedule};
use crate::limits::{Limits, MAX_IN_FLIGHT, Rate};
use crate::outcome::Failed;
use crate::settings::Settings;

pub use outcome::ImageOutcome;
use outcome::{Processed, Recorded, Unfinished};
use task::Task;

/// Everything that the images of one invocation share.
pub struct Pipeline<'a> {
    pub clients: &'a Clients,
    pub limits: &'a Limits,
    pub clock: &'a Clock,
    pub settings: Settings,
    /// How many bytes of an image are read first, unless all of it is needed.
    pub front_bytes: u64,
    /// The most bytes of one record.
    pub max_record_bytes: usize,
    pub rate: Option<Rate>,
    pub schedule: Schedule,
    pub traffic: Traffic,
    /// The first failure that all other images would meet, too. No image starts after it.
    pub systemic: OnceLock<Failure>,
}

/// Counts the bytes of image data that were read, and all bytes that were written, or would be. Bytes that S3 copies do
/// not count. Also counts the pixels of the images of which renditions were made.
#[derive(Debug, Default)]
pub struct Traffic {
    read: AtomicU64,
    written: AtomicU64,
    pixels: AtomicU64,
}

impl Traffic {
    pub fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Relaxed);
    }

    pub fn add_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Relaxed);
    }

    pub fn add_pixels(&self, pixels: u64) {
        self.pixels.fetch_add(pixels, Relaxed);
    }

    pub fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub fn pixels(&self) -> u64 {
        self.pixels.load(Relaxed)
    }
}

impl Pipeline<'_> {
    /// Processes all images, as many at the same time as the limits allow. The outcomes are in the order of the images.
    pub async fn run(&self, images: &[Image]) -> Vec<ImageOutcome> {
        // With a request limit, more images in flight would only wait for each other.
        let max_in_flight = match self.rate {
            Some(_) => self.settings.concurrency,
            None => MAX_IN_FLIGHT,
        };
        // An image that waits for its slot takes no memory yet.
        let slots = self
            .limits
            .concurrency
            .slots(images.len(), self.clock, self.schedule.end());
        let mut outcomes: Vec<(usize, ImageOutcome)> = slots
            .map(|(index, slot)| async move {
                let outcome = match slot {
                    Some(slot) => {
                        let outcome = self.scheduled(&images[index]).await;
                        drop(slot);
                        outcome
                    }
                    None => ImageOutcome::Unprocessed,
                };
                (index, outcome)
            })
            .buffer_unordered(max_in_flight)
            .collect()
            .await;
        outcomes.sort_unstable_by_key(|&(index, _)| index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Processes one image within its time.
    async fn scheduled(&self, image: &Image) -> ImageOutcome {
        let profile = self.settings.images.profile();
        let bytes = profile.transferred_bytes(image.object.size.unwrap_or(0));
        let started = self.clock.now();
        if self.systemic.get().is_some() || !self.schedule.may_start(started, bytes) {
            return ImageOutcome::Unprocessed;
        }
        let timer = ImageTimer::start(self.clock, self.schedule.limit(bytes), self.schedule.end());
        let task = Task {
            pipeline: self,
            timer: &timer,
            image,
        };
        let work = async { task.process_and_report().await.map(Processed::from) };
        let outcome = isolated(work, timer.over()).await;
        if let ImageOutcome::Ok(processed) = &outcome {
            let bytes = profile.transferred_bytes(processed.size);
            self.schedule.learn(self.clock.now() - started, bytes);
        }
        match outcome {
            ImageOutcome::Failed(failed) if self.is_systemic(&failed.failure) => {
                // The first one is enough.
                let _ = self.systemic.set(failed.failure);
                ImageOutcome::Unprocessed
            }
            outcome => outcome,
        }
    }

    fn is_systemic(&self, failure: &Failure) -> bool {
        match failure.systemic {
            None => false,
            Some(Systemic::Source) => self.settings.one_source,
            Some(_) => true,
        }
    }
}

impl Task<'_> {
    /// Processes one image. Writes its failure into the destination if it is not retryable and the caller does not keep
    /// it.
    async fn process_and_report(&self) -> Result<Recorded, Unfinished> {
        match self.process().await {
            Err(Unfinished::Failed(failed))
                if self.pipeline.settings.record_failures
                    && !failed.retryable
                    && !self.pipeline.is_systemic(&failed.failure) =>
            {
                let failed = match self.write_failure(&failed.failure).await {
                    Ok(()) => failed,
                    // The failure is not recorded, so the object must be retried.
                    Err(unwritten) => Failed::retryable(
                        failed.failure.class,
                        format!("{}; this failure cannot be recorded: {unwritten}", failed.failure),
                    ),
                };
                Err(Unfinished::Failed(failed))
            }
            result => result,
        }
    }
}

/// Runs the work on one image. If it hangs or panics, other images are not affected.
async fn isolated(
    work: impl Future<Output = Result<Processed, Unfinished>>,
    over: impl Future<Output = Expired>,
) -> ImageOutcome {
    tokio::select! {
        biased;
        result = AssertUnwindSafe(work).catch_unwind() => match result {
            Ok(Ok(processed)) => ImageOutcome::Ok(processed),
            Ok(Err(Unfinished::Superseded)) => ImageOutcome::Superseded,
            Ok(Err(Unfinished::Failed(failed))) => ImageOutcome::Failed(failed),
            Err(panic) => ImageOutcome::Failed(Failed::retryable(
                FailureClass::Internal,
                panic_message(panic.as_ref()),
            )),
        },
        expired = over => match expired {
            Expired::Image { limit } => {
                let seconds = limit.as_secs_f64();
                let error = format!(
                    "it was not finished in {seconds:.0} s (IMAGE_TIMEOUT_SECONDS, plus the time for its bytes)"
                );
                ImageOutcome::Failed(Failed::retryable(FailureClass::Timeout, error))
            }
            // Not a failure of the image, which had less time than its limit.
            Expired::Invocation => ImageOutcome::Unprocessed,
        },
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
    use std::time::Duration;

    use super::*;

    async fn outcome(
        work: impl Future<Output = Result<Processed, Unfinished>>,
        over: impl Future<Output = Expired>,
    ) -> String {
        match isolated(work, over).await {
            ImageOutcome::Failed(failed) => format!("{}: {}", failed.failure.class, failed.failure),
            ImageOutcome::Ok(_) => "ok".to_owned(),
            ImageOutcome::Superseded => "superseded".to_owned(),
            ImageOutcome::Unprocessed => "unprocessed".to_owned(),
        }
    }

    #[tokio::test]
    async fn panics_timeouts_and_failures_have_an_outcome() {
        let panicking = async { panic!("out of range") };
        assert_eq!(outcome(panicking, pending()).await, "internal: panicked: out of range");
        let limit = Duration::from_secs(60);
        let timed_out = outcome(pending(), ready(Expired::Image { limit })).await;
        assert!(
            timed_out.starts_with("timeout: it was not finished in 60 s"),
            "{timed_out}"
        );
        assert_eq!(outcome(pending(), ready(Expired::Invocation)).await, "unprocessed");
        let failed = Unfinished::from(Failure::new(FailureClass::Changed, "replaced"));
        assert_eq!(outcome(ready(Err(failed)), pending()).await, "changed: replaced");
        assert_eq!(
            outcome(ready(Err(Unfinished::Superseded)), pending()).await,
            "superseded"
        );
    }
}
