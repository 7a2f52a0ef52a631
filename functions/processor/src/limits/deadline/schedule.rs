use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// All images end this long before the deadline of the invocation. The rest is for the record file and the response.
/// Short invocations reserve a tenth of their time instead.
const COMMIT_TIME: Duration = Duration::from_secs(2);

/// No image starts in this time before all images must end. In short invocations, it is a quarter of their time.
const MIN_IMAGE_TIME: Duration = Duration::from_secs(8);

/// The bytes that a slow connection transfers per second.
const SLOW_BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;

/// When the images of one invocation may start, and how long each may take.
#[derive(Debug)]
pub struct Schedule {
    /// When all images must have ended.
    end: Instant,
    /// The least time that an image is assumed to take.
    min_image_time: Duration,
    /// The most time that an image may take, whatever its size.
    max_image_time: Duration,
    /// How long an image may take, in addition to the time for its bytes.
    per_image: Duration,
    /// How long the slowest recent image took, without the time for its bytes.
    slowest_ms: AtomicU64,
}

impl Schedule {
    pub fn new(now: Instant, deadline: Instant, per_image: Duration) -> Self {
        let left = deadline.saturating_duration_since(now);
        Self {
            end: deadline - COMMIT_TIME.min(left / 10),
            min_image_time: MIN_IMAGE_TIME.min(left / 4),
            max_image_time: left * 4 / 5,
            per_image,
            slowest_ms: AtomicU64::new(0),
        }
    }

    /// When all images must have ended.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// Whether an image with `bytes` to transfer can finish in time, even if it takes twice as long as the slowest
    /// recent image.
    pub fn may_start(&self, now: Instant, bytes: u64) -> bool {
        let slowest = Duration::from_millis(self.slowest_ms.load(Relaxed));
        let slow = self.min_image_time.max(slowest * 2) + transfer_time(bytes);
        // Without the maximum, an image that needs more time than the invocation has would never start. With it, the
        // image must start early.
        now + slow.min(self.max_image_time) <= self.end
    }

    /// How long an image with `bytes` to transfer may take.
    pub fn limit(&self, bytes: u64) -> Duration {
        (self.per_image + transfer_time(bytes)).min(self.max_image_time)
    }

    /// Learns from the time that an `ok` image took.
    pub fn learn(&self, time: Duration, bytes: u64) {
        let beside = time.saturating_sub(transfer_time(bytes));
        let ms = u64::try_from(beside.as_millis()).unwrap_or(u64::MAX);
        // The slowest time decreases with each image, so that one slow image is forgotten after some time.
        let learned = |slowest: u64| Some(ms.max(slowest - slowest / 32));
        // This cannot fail, because the closure always gives a value.
        let _ = self.slowest_ms.fetch_update(Relaxed, Relaxed, learned);
    }
}

fn transfer_time(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / SLOW_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    /// A schedule of `left` seconds, and a function that says whether an image of some bytes may start after some
    /// seconds.
    fn schedule(left: u64) -> (Schedule, impl Fn(&Schedule, f64, u64) -> bool) {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(left);
        let schedule = Schedule::new(start, deadline, Duration::from_secs(60));
        let may_start = move |schedule: &Schedule, seconds: f64, bytes: u64| {
            schedule.may_start(start + Duration::from_secs_f64(seconds), bytes)
        };
        (schedule, may_start)
    }

    #[test]
    fn an_image_starts_only_if_it_can_finish_in_time() {
        let (schedule, may_start) = schedule(300);
        for (seconds, bytes, starts) in [
            (0.0, 0, true),
            (289.0, 0, true),
            (291.0, 0, false),
            // 400 MB take 100 s. 4 GB take longer than the whole invocation, so they must start early.
            (185.0, 400 * MB, true),
            (200.0, 400 * MB, false),
            (30.0, 4096 * MB, true),
            (90.0, 4096 * MB, false),
        ] {
            assert_eq!(may_start(&schedule, seconds, bytes), starts, "{seconds} s, {bytes}");
        }
        schedule.learn(Duration::from_secs(7), 0);
        assert!(may_start(&schedule, 283.0, 0) && !may_start(&schedule, 285.0, 0));
    }

    #[test]
    fn the_limit_grows_with_the_size_up_to_a_maximum() {
        let (schedule, _) = schedule(300);
        assert_eq!(schedule.limit(0), Duration::from_secs(60));
        assert_eq!(schedule.limit(40 * MB), Duration::from_secs(70));
        assert_eq!(schedule.limit(4096 * MB), Duration::from_secs(240));
    }

    #[test]
    fn short_invocations_work_too() {
        let (schedule, may_start) = schedule(3);
        assert!(may_start(&schedule, 1.5, 0));
        assert!(!may_start(&schedule, 2.5, 0));
    }
}
