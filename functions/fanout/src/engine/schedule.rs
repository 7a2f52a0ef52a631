//! When an invocation stops starting attempts, and when it stops waiting for them.

use std::time::Duration;

use shared::clock::Clock;
use tokio::time::Instant;

/// Nothing is started if the time left is less than one and a half times the slowest attempt so far, plus this.
const SLACK: Duration = Duration::from_secs(15);

/// At least this much time is left for attempts in flight, unless it is more than a third of the whole time.
const MIN_ATTEMPT_TIME: Duration = Duration::from_secs(60);

/// Time for the last checkpoint, and to start the next invocation.
const CLEANUP_TIME: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Schedule {
    clock: Clock,
    started: Instant,
    deadline: Instant,
    /// The time of the slowest attempt so far.
    slowest: Duration,
}

impl Schedule {
    pub fn new(clock: Clock, deadline: Instant) -> Self {
        Self {
            started: clock.now(),
            clock,
            deadline,
            slowest: Duration::ZERO,
        }
    }

    pub fn attempt_took(&mut self, time: Duration) {
        self.slowest = self.slowest.max(time);
    }

    fn whole(&self) -> Duration {
        self.deadline.saturating_duration_since(self.started)
    }

    /// From this time on, nothing is started, so that the attempts in flight can end.
    pub fn last_start(&self) -> Instant {
        let slow = (self.slowest * 3 / 2 + SLACK).max(MIN_ATTEMPT_TIME);
        self.deadline - slow.min(self.whole() / 3)
    }

    /// From this time on, the invocation no longer waits for attempts.
    pub fn last_wait(&self) -> Instant {
        self.deadline - CLEANUP_TIME.min(self.whole() / 8)
    }

    /// The time by which the last `job.json` must be written. A job that continues needs the rest of the time to start
    /// the next invocation, which writes `job.json` again.
    pub fn report_until(&self, continues: bool) -> Instant {
        if continues {
            let last_wait = self.last_wait();
            last_wait + (self.deadline - last_wait) / 2
        } else {
            self.deadline
        }
    }

    pub async fn sleep_until(&self, at: Instant) {
        self.clock.sleep_until(at).await;
    }

    /// Waits for a future. Returns `None` if `until` comes first.
    pub async fn within<T>(&self, until: Instant, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.clock.sleep_until(until) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn left(schedule: &Schedule) -> (Duration, Duration) {
        let deadline = schedule.deadline;
        (deadline - schedule.last_start(), deadline - schedule.last_wait())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_attempts_make_the_last_start_earlier() {
        let clock = Clock::default();
        let mut schedule = Schedule::new(clock.clone(), clock.now() + 15 * MINUTE);
        assert_eq!(left(&schedule), (MINUTE, CLEANUP_TIME));
        schedule.attempt_took(Duration::from_secs(30));
        assert_eq!(left(&schedule), (MINUTE, CLEANUP_TIME));
        schedule.attempt_took(2 * MINUTE);
        schedule.attempt_took(MINUTE);
        assert_eq!(left(&schedule), (3 * MINUTE + SLACK, CLEANUP_TIME));
        schedule.attempt_took(10 * MINUTE);
        assert_eq!(
            left(&schedule),
            (5 * MINUTE, CLEANUP_TIME),
            "at most a third of the time"
        );
        let short = Schedule::new(clock.clone(), clock.now() + Duration::from_secs(24));
        assert_eq!(left(&short), (Duration::from_secs(8), Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ready_future_counts_even_if_the_time_is_up() {
        let clock = Clock::default();
        let schedule = Schedule::new(clock.clone(), clock.now() + MINUTE);
        clock.advance(2 * MINUTE);
        let deadline = schedule.deadline;
        assert_eq!(schedule.within(deadline, async { 7 }).await, Some(7));
        assert_eq!(schedule.within(deadline, std::future::pending::<()>()).await, None);
    }
}
