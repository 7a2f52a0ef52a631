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
        let slot = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = (*next).max(Instant::now());
            *next = slot + self.spacing;
            slot
        };
        sleep_until(slot).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slots_are_evenly_spaced_and_do_not_add_up() {
        let pace = Pace::new(100.0);
        let start = Instant::now();
        for _ in 0..51 {
            pace.slot().await;
        }
        assert_eq!(start.elapsed().as_millis(), 500);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let start = Instant::now();
        for _ in 0..11 {
            pace.slot().await;
        }
        assert_eq!(start.elapsed().as_millis(), 100);
    }
}
