//! The window: how many invocations of the processor may be in flight.
//!
//! A throttle or a failure of Lambda halves it. So does a response that says that S3 throttled many requests. Each
//! other response adds one. The decrease is that of TCP's AIMD. The increase is that of TCP's slow start, because
//! responses are seconds apart.

/// Starts at its maximum, because most jobs are never throttled.
#[derive(Debug)]
pub struct Window {
    size: usize,
    max: usize,
    /// The highest sequence number at the last decrease. Attempts up to it tell nothing new.
    shrunk_at: u64,
}

impl Window {
    pub fn new(max: usize) -> Self {
        Self {
            size: max,
            max,
            shrunk_at: 0,
        }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn grow(&mut self) {
        self.size = (self.size + 1).min(self.max);
    }

    /// Halves the window, because attempt `sequence` was throttled. `latest` is the highest sequence number so far. A
    /// throttle affects many attempts: of those that were in flight together, only the first counts.
    pub fn shrink(&mut self, sequence: u64, latest: u64) {
        if sequence > self.shrunk_at {
            self.size = (self.size / 2).max(1);
            self.shrunk_at = latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_throttles_halves_the_window_once() {
        let mut window = Window::new(32);
        for sequence in 1..=32 {
            window.shrink(sequence, 32);
        }
        assert_eq!(window.size(), 16);
        window.grow();
        assert_eq!(window.size(), 17);
        for sequence in 33..40 {
            window.shrink(sequence, sequence);
        }
        assert_eq!(window.size(), 1);
        (0..100).for_each(|_| window.grow());
        assert_eq!(window.size(), 32);
    }
}
