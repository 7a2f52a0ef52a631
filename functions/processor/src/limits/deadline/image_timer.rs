use std::time::Duration;

use parking_lot::Mutex;
use shared::clock::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

/// An image whose time is up has this long to clean up.
const CLEANUP_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// The time that one image has. It stops while the image waits for memory, for a connection, or for its turn under the
/// request limit. The end of the invocation does not move.
#[derive(Debug)]
pub struct ImageTimer<'a> {
    clock: &'a Clock,
    /// When all images of the invocation must have ended.
    end: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// When the image's time is up, if it does not wait again.
    up: Instant,
    limit: Duration,
    /// How many of the image's requests wait.
    waiting: u32,
    /// Since when at least one of them waits.
    since: Instant,
}

/// Whose time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    Image { limit: Duration },
    Invocation,
}

impl<'a> ImageTimer<'a> {
    pub fn start(clock: &'a Clock, limit: Duration, end: Instant) -> Self {
        let now = clock.now();
        Self {
            clock,
            end,
            state: Mutex::new(State {
                up: now + limit,
                limit,
                waiting: 0,
                since: now,
            }),
            changed: Notify::new(),
        }
    }

    /// Replaces the limit when the size of the image is known.
    pub fn set_limit(&self, limit: Duration) {
        let mut state = self.state.lock();
        state.up = state.up - state.limit + limit;
        state.limit = limit;
        self.changed.notify_waiters();
    }

    /// Stops the timer while `wait` runs, because it is not work on the image.
    pub async fn stopped<T>(&self, wait: impl Future<Output = T>) -> T {
        let _stopped = Stopped::at(self);
        wait.await
    }

    /// Waits until the image must stop and clean up.
    pub async fn expired(&self) -> Expired {
        let last = self.end - CLEANUP_GRACE_PERIOD;
        loop {
            let changed = self.changed.notified();
            let (up, limit) = {
                let state = self.state.lock();
                let up = (state.waiting == 0).then_some(state.up);
                (up.filter(|&up| up < last), state.limit)
            };
            let wait_until = up.unwrap_or(last);
            if wait_until <= self.clock.now() {
                return match up {
                    Some(_) => Expired::Image { limit },
                    None => Expired::Invocation,
                };
            }
            tokio::select! {
                biased;
                () = self.clock.sleep_until(wait_until) => {}
                () = changed => {}
            }
        }
    }

    /// Waits until the grace period has passed, too.
    pub async fn over(&self) -> Expired {
        let expired = self.expired().await;
        self.clock.sleep(CLEANUP_GRACE_PERIOD).await;
        expired
    }
}

/// Stops the timer until this is dropped, which also happens when the wait is cancelled.
struct Stopped<'a>(&'a ImageTimer<'a>);

impl<'a> Stopped<'a> {
    fn at(timer: &'a ImageTimer<'a>) -> Self {
        let mut state = timer.state.lock();
        if state.waiting == 0 {
            state.since = timer.clock.now();
        }
        state.waiting += 1;
        Self(timer)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.waiting -= 1;
        if state.waiting == 0 {
            let waited = self.0.clock.now() - state.since;
            state.up += waited;
        }
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    fn timer(clock: &Clock, limit: Duration) -> ImageTimer<'_> {
        ImageTimer::start(clock, limit, clock.now() + 3 * LONG)
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_while_the_image_waits() {
        let clock = Clock::default();
        let timer = timer(&clock, SHORT);
        let mut expired = Box::pin(timer.expired());
        let mut first = Box::pin(timer.stopped(sleep(SHORT * 4)));
        let mut second = Box::pin(timer.stopped(std::future::pending::<()>()));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        first.await;
        assert!(poll!(&mut expired).is_pending());
        // A cancelled wait no longer stops the timer.
        drop(second);
        assert_eq!(expired.await, Expired::Image { limit: SHORT });
        assert!(clock.now() < timer.end - LONG);
    }

    #[tokio::test(start_paused = true)]
    async fn its_limit_can_be_replaced() {
        let clock = Clock::default();
        let timer = timer(&clock, LONG);
        let start = clock.now();
        let mut expired = Box::pin(timer.expired());
        assert!(poll!(&mut expired).is_pending());
        timer.set_limit(SHORT);
        assert_eq!(expired.await, Expired::Image { limit: SHORT });
        assert!(clock.now() < start + LONG);
    }

    #[tokio::test(start_paused = true)]
    async fn it_says_what_expired_first_and_gives_a_grace_period() {
        let clock = Clock::default();
        for (limit, expired) in [(LONG, Expired::Image { limit: LONG }), (LONG * 4, Expired::Invocation)] {
            let timer = timer(&clock, limit);
            assert_eq!(timer.expired().await, expired);
            let before = clock.now();
            assert_eq!(timer.over().await, expired);
            assert!(clock.now() >= before + CLEANUP_GRACE_PERIOD);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_invocation_does_not_move() {
        let clock = Clock::default();
        let timer = timer(&clock, SHORT);
        let mut waiting = Box::pin(timer.stopped(std::future::pending::<()>()));
        assert!(poll!(&mut waiting).is_pending());
        assert_eq!(timer.over().await, Expired::Invocation);
        assert!(clock.now() >= timer.end);
    }
}
