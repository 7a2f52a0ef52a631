use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The time that one image has. It stands still while the image waits for others: for its turn at a rate,
/// for memory, for a connection.
#[derive(Debug)]
pub struct Clock {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    up: Instant,
    limit: Duration,
    /// How many of the image's requests wait, and since when there are any.
    waiting: u32,
    since: Instant,
}

impl Clock {
    pub fn start(limit: Duration) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                up: now + limit,
                limit,
                waiting: 0,
                since: now,
            }),
            changed: Notify::new(),
        }
    }

    /// Gives it another limit, once it is known how much is to be done.
    pub fn set_limit(&self, limit: Duration) {
        let mut state = self.state();
        state.up = state.up - state.limit + limit;
        state.limit = limit;
        self.changed.notify_waiters();
    }

    /// Waits for something that is no work of the image's own.
    pub async fn stopped<T>(&self, wait: impl Future<Output = T>) -> T {
        let _stopped = Stopped::at(self);
        wait.await
    }

    /// Ends when the time is up, and says how much it was.
    pub async fn is_up(&self) -> Duration {
        loop {
            let changed = self.changed.notified();
            let (up, limit, stands_still) = {
                let state = self.state();
                (state.up, state.limit, state.waiting > 0)
            };
            if stands_still {
                changed.await;
            } else if up <= Instant::now() {
                return limit;
            } else {
                tokio::select! {
                    () = sleep_until(up) => {}
                    () = changed => {}
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock stands still until this is dropped, also by a wait that is given up.
struct Stopped<'a>(&'a Clock);

impl<'a> Stopped<'a> {
    fn at(clock: &'a Clock) -> Self {
        let mut state = clock.state();
        if state.waiting == 0 {
            state.since = Instant::now();
        }
        state.waiting += 1;
        Self(clock)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting -= 1;
        if state.waiting == 0 {
            let waited = state.since.elapsed();
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

    #[tokio::test]
    async fn it_stands_still_while_the_image_waits() {
        let clock = Clock::start(SHORT);
        let mut is_up = Box::pin(clock.is_up());
        let mut first = Box::pin(clock.stopped(sleep(SHORT * 4)));
        let mut second = Box::pin(clock.stopped(std::future::pending::<()>()));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        first.await;
        assert!(poll!(&mut is_up).is_pending());
        // A wait that is given up counts for no longer.
        drop(second);
        is_up.await;
    }

    #[tokio::test]
    async fn it_takes_another_limit() {
        let clock = Clock::start(Duration::from_secs(60));
        let mut is_up = Box::pin(clock.is_up());
        assert!(poll!(&mut is_up).is_pending());
        clock.set_limit(SHORT);
        is_up.await;
    }
}
