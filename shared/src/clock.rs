//! The clock for deadlines and leases, and for CPU time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Lambda's longest time-out. It is also assumed if none is configured.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(15);

/// A clock that can be set forward.
///
/// Deadlines and leases use this clock. A test can let them pass at a given state of the job, and then does not
/// depend on the speed of the machine. Clones are the same clock.
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
    /// How far this clock is ahead of the machine's clock.
    ahead: watch::Sender<Duration>,
    /// The machine's clock of a simulation.
    simulated: Option<Simulated>,
}

/// A clock that goes on with Tokio's, which a simulation has paused.
#[derive(Clone, Copy, Debug)]
struct Simulated {
    start: Instant,
    /// What it shows at the start, since 1970.
    since_epoch: Duration,
}

impl Clock {
    /// A clock for a simulation. It shows `since_epoch` now, and goes on with Tokio's clock. It counts no CPU time.
    #[must_use]
    pub fn simulated(since_epoch: Duration) -> Self {
        let start = Instant::now();
        Self {
            simulated: Some(Simulated { start, since_epoch }),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now() + *self.ahead.borrow()
    }

    /// The time since 1970-01-01, UTC.
    #[must_use]
    pub fn since_epoch(&self) -> Duration {
        let now = match self.simulated {
            Some(Simulated { start, since_epoch }) => since_epoch + start.elapsed(),
            None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        };
        now + *self.ahead.borrow()
    }

    /// The CPU time of all threads of this process.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        if self.simulated.is_some() {
            return Duration::ZERO;
        }
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(
            now.tv_sec.try_into().unwrap_or_default(),
            now.tv_nsec.try_into().unwrap_or_default(),
        )
    }

    /// The deadline of an invocation that starts now. `deadline_ms` is Lambda's, in milliseconds since 1970.
    ///
    /// Local emulators send no deadline, or one in 1970. If the deadline has passed already, it becomes `timeout`
    /// from now. It is at most [`MAX_TIMEOUT`] from now.
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
                biased;
                () = sleep_until(Instant::now() + wait) => return,
                // The sender is part of this clock, so it outlives the wait.
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
    async fn a_simulated_clock_goes_on_with_tokios() {
        let clock = Clock::simulated(MINUTE);
        tokio::time::advance(MINUTE).await;
        assert_eq!((clock.since_epoch(), clock.cpu_time()), (2 * MINUTE, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn advancing_the_clock_wakes_whoever_is_due() {
        let (clock, start) = (Clock::default(), Instant::now());
        let (near, far) = (clock.now() + MINUTE, clock.now() + 3 * MINUTE);
        let mut first = Box::pin(clock.sleep_until(near));
        let mut second = Box::pin(clock.sleep_until(far));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        clock.advance(2 * MINUTE);
        first.await;
        assert_eq!(Instant::now(), start, "the machine's clock stands still");
        assert!(poll!(&mut second).is_pending());
        // The rest of the time passes because Tokio advances its paused clock.
        second.await;
        assert!(clock.now() >= far);
    }
}
