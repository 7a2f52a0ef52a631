//! The time that a job and its invocations go by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Lambda's longest time-out, and what is assumed where nothing is configured.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(15);

/// A clock that can be set forward.
///
/// Deadlines and leases are judged by this clock, so that a test can end them at a given state of the job
/// instead of after a time that a slow machine may exceed. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use shared::clock::Clock;
///
/// let clock = Clock::default();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert!(clock.now() >= before + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How far the clock is ahead of the machine's.
    ahead: watch::Sender<Duration>,
}

impl Clock {
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now() + *self.ahead.borrow()
    }

    /// The time since 1970, UTC.
    #[must_use]
    pub fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + *self.ahead.borrow()
    }

    /// The deadline of an invocation that starts now, from Lambda's `deadline_ms` (milliseconds since 1970).
    ///
    /// Local emulators send no deadline, or 1970. A deadline that has passed before the work starts
    /// means `timeout` from now.
    #[must_use]
    pub fn deadline(&self, deadline_ms: u64, timeout: Duration) -> Instant {
        let left = Duration::from_millis(deadline_ms)
            .checked_sub(self.since_epoch())
            .filter(|left| !left.is_zero())
            .unwrap_or(timeout);
        self.now() + left.min(MAX_TIMEOUT)
    }

    /// Waits until this clock shows `at`.
    pub async fn sleep_until(&self, at: Instant) {
        let mut ahead = self.ahead.subscribe();
        loop {
            let left = at.saturating_duration_since(Instant::now());
            let behind = *ahead.borrow_and_update();
            let Some(wait) = left.checked_sub(behind).filter(|wait| !wait.is_zero()) else {
                return;
            };
            tokio::select! {
                () = sleep_until(Instant::now() + wait) => return,
                // The sender is this clock, so it outlives the wait.
                _ = ahead.changed() => {}
            }
        }
    }

    /// Waits for `time` on this clock.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.now() + time).await;
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_past_deadline_means_the_configured_time_out() {
        let clock = Clock::default();
        let left = |deadline_ms: u64| clock.deadline(deadline_ms, MINUTE) - clock.now();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        assert_eq!(left(0), MINUTE);
        assert_eq!(left(ms(clock.since_epoch()) - 1), MINUTE);
        assert!(left(ms(clock.since_epoch()) + 10_000) <= Duration::from_secs(10));
        assert_eq!(left(u64::MAX), MAX_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_wakes_whoever_it_takes_past_their_time() {
        let clock = Clock::default();
        let (near, far) = (clock.now() + MINUTE, clock.now() + 3 * MINUTE);
        let mut first = Box::pin(clock.sleep_until(near));
        let mut second = Box::pin(clock.sleep_until(far));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        clock.advance(2 * MINUTE);
        first.await;
        assert!(poll!(&mut second).is_pending());
        // The rest of the time passes by itself.
        second.await;
        assert!(clock.now() >= far);
    }
}
