use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// All images end this long before the end of an invocation: the rest is for writing the records and for the
/// response. Short invocations keep a tenth of their time.
const COMMIT_TIME: Duration = Duration::from_secs(2);

/// No image starts in this time before the end of all. In short invocations it is a quarter of their time.
const MIN_IMAGE_TIME: Duration = Duration::from_secs(8);

/// What a slow connection transfers in a second.
const SLOW_BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;

/// The time of one invocation.
#[derive(Debug)]
pub struct Schedule {
    /// When all images must have ended.
    end: Instant,
    /// What an image is assumed to take at least, whatever was learned.
    min_image_time: Duration,
    /// What an image may take at most, whatever its size.
    max_image_time: Duration,
    /// What one may take, not counting the transfer of its bytes.
    per_image: Duration,
    /// The slowest of late, not counting the transfer of its bytes.
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

    /// Whether an image of which so many bytes are transferred would end in time even if it is slow.
    pub fn may_start(&self, now: Instant, bytes: u64) -> bool {
        let slowest = Duration::from_millis(self.slowest_ms.load(Relaxed));
        let slow = self.min_image_time.max(slowest * 2) + transfer_time(bytes);
        // One that never would, because it takes longer than all the time there is, must start early.
        now + slow.min(self.max_image_time) <= self.end
    }

    /// How long an image may take of which so many bytes are transferred.
    pub fn limit(&self, bytes: u64) -> Duration {
        (self.per_image + transfer_time(bytes)).min(self.max_image_time)
    }

    /// Learns from an image that ended well.
    pub fn learn(&self, time: Duration, bytes: u64) {
        let beside = time.saturating_sub(transfer_time(bytes));
        let ms = u64::try_from(beside.as_millis()).unwrap_or(u64::MAX);
        // One that was slow by chance is slowly forgotten.
        let learned = |slowest: u64| Some(ms.max(slowest - slowest / 32));
        // The closure always gives a value, so this cannot fail.
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

    /// A schedule of so many seconds, and whether an image of so many bytes may start after some of them.
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
    fn none_starts_that_would_not_end_in_time() {
        let (schedule, may_start) = schedule(300);
        for (seconds, bytes, starts) in [
            (0.0, 0, true),
            (289.0, 0, true),
            (291.0, 0, false),
            // 400 MB take 100 s, 4 GB longer than there is: those must start early.
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
    fn the_limit_grows_with_the_size_and_ends_with_the_time() {
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
