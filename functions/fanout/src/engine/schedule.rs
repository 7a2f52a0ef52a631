//! From when on an invocation starts nothing more, and from when on it waits for nothing more.

use std::time::Duration;

use shared::clock::Clock;
use tokio::time::Instant;

/// Nothing is started when the slowest attempt so far, half as long again and this, would not end in time.
const SLACK: Duration = Duration::from_secs(15);
const MIN_ATTEMPT_TIME: Duration = Duration::from_secs(60);

/// For the last checkpoint, and the start of the next invocation.
const CLEANUP_GRACE_PERIOD: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Schedule {
    clock: Clock,
    started: Instant,
    deadline: Instant,
    /// The longest attempt so far.
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

    /// From then on nothing is started, so that what is in flight can end.
    pub fn last_start(&self) -> Instant {
        let slow = (self.slowest * 3 / 2 + SLACK).max(MIN_ATTEMPT_TIME);
        self.deadline - slow.min(self.whole() / 3)
    }

    /// From then on nothing is waited for.
    pub fn last_wait(&self) -> Instant {
        self.deadline - CLEANUP_GRACE_PERIOD.min(self.whole() / 8)
    }

    /// Until when the last `job.json` may take. A job that goes on needs the rest of the time for that, and
    /// gets its report from the next invocation.
    pub fn report_until(&self, goes_on: bool) -> Instant {
        if goes_on {
            let last_wait = self.last_wait();
            last_wait + (self.deadline - last_wait) / 2
        } else {
            self.deadline
        }
    }

    pub async fn sleep_until(&self, at: Instant) {
        self.clock.sleep_until(at).await;
    }

    /// What a future gives, or `None` if the time is up first.
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
    async fn slow_attempts_end_the_starts_earlier() {
        let clock = Clock::default();
        let mut schedule = Schedule::new(clock.clone(), clock.now() + 15 * MINUTE);
        assert_eq!(left(&schedule), (MINUTE, CLEANUP_GRACE_PERIOD));
        schedule.attempt_took(Duration::from_secs(30));
        assert_eq!(left(&schedule), (MINUTE, CLEANUP_GRACE_PERIOD));
        schedule.attempt_took(2 * MINUTE);
        schedule.attempt_took(MINUTE);
        assert_eq!(left(&schedule), (3 * MINUTE + SLACK, CLEANUP_GRACE_PERIOD));
        schedule.attempt_took(10 * MINUTE);
        assert_eq!(
            left(&schedule),
            (5 * MINUTE, CLEANUP_GRACE_PERIOD),
            "no more than a third"
        );
        let short = Schedule::new(clock.clone(), clock.now() + Duration::from_secs(24));
        assert_eq!(left(&short), (Duration::from_secs(8), Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_comes_even_when_the_time_is_up() {
        let clock = Clock::default();
        let schedule = Schedule::new(clock.clone(), clock.now() + MINUTE);
        clock.advance(2 * MINUTE);
        let deadline = schedule.deadline;
        assert_eq!(schedule.within(deadline, async { 7 }).await, Some(7));
        assert_eq!(schedule.within(deadline, std::future::pending::<()>()).await, None);
    }
}
