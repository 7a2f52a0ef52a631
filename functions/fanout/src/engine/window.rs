//! How many invocations may be in flight: halved when Lambda throttles or S3 refuses much of what the
//! processors ask, one more for each other response (multiplicative decrease as in TCP's AIMD; the increase is
//! that of its slow start, since responses are seconds apart).

/// Starts wide open: most jobs are never throttled.
#[derive(Debug)]
pub struct Window {
    size: usize,
    max: usize,
    /// Attempts up to this sequence number had their numbers before the last decrease, and tell nothing new.
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

    /// Attempt `sequence` was throttled; `latest` is the last one that has a number. A throttle hits many attempts at
    /// once: only the first of those that were in flight together counts.
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
    fn one_burst_of_throttles_halves_once() {
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
