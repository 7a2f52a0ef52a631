use std::time::Duration;

use parking_lot::Mutex;
use shared::clock::Clock;
use tokio::time::Instant;

/// A limit on requests per second, for one invocation. Each request gets a slot of its own. The slots are evenly
/// spaced, so that no burst follows a pause.
#[derive(Debug)]
pub struct Rate {
    clock: Clock,
    spacing: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    pub fn new(clock: &Clock, per_second: f64) -> Self {
        Self {
            spacing: Duration::from_secs_f64(1.0 / per_second),
            next: Mutex::new(clock.now()),
            clock: clock.clone(),
        }
    }

    /// Waits for the next slot.
    pub async fn slot(&self) {
        self.clock.sleep_until(self.take(self.clock.now())).await;
    }

    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let slot = (*next).max(now);
        *next = slot + self.spacing;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slots_are_evenly_spaced_and_no_burst_follows_a_pause() {
        let rate = Rate::new(&Clock::default(), 100.0);
        let start = Instant::now() + Duration::from_secs(1);
        let slots = |now: Instant| [0; 4].map(|_| (rate.take(now) - start).as_millis());
        assert_eq!(slots(start), [0, 10, 20, 30]);
        assert_eq!(slots(start + Duration::from_secs(5)), [5000, 5010, 5020, 5030]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_slot() {
        let rate = Rate::new(&Clock::default(), 100.0);
        let start = Instant::now();
        for _ in 0..6 {
            rate.slot().await;
        }
        // Six slots have five gaps of 10 ms. Tokio's timer is precise to 1 ms.
        assert_eq!(start.elapsed().as_millis() / 5, 10);
    }
}
