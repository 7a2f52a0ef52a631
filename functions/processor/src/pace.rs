//! A limit on requests a second.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Gives each request a slot of its own, the slots evenly spaced, so that nothing bursts after a pause.
pub struct Pace {
    spacing: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub fn new(per_second: f64) -> Self {
        Self {
            spacing: Duration::from_secs_f64(1.0 / per_second),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for the next slot.
    pub async fn slot(&self) {
        sleep_until(self.take(Instant::now())).await;
    }

    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (*next).max(now);
        *next = slot + self.spacing;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_evenly_spaced_and_do_not_add_up() {
        let pace = Pace::new(100.0);
        let start = Instant::now() + Duration::from_secs(1);
        let slots = |now: Instant| [0; 4].map(|_| (pace.take(now) - start).as_millis());
        assert_eq!(slots(start), [0, 10, 20, 30]);
        assert_eq!(slots(start + Duration::from_secs(5)), [5000, 5010, 5020, 5030]);
    }
}
