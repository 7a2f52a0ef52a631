//! Divides the job's limit on requests among the attempts in flight.
//!
//! The limit has as many slots as attempts may be in flight (`parallel`). Each attempt holds whole slots, so that the
//! sum of all shares never exceeds the limit, and rounding loses nothing.

#[derive(Debug)]
pub struct Shares {
    max_requests_per_second: f64,
    slots: usize,
    free: usize,
}

impl Shares {
    pub fn new(max_requests_per_second: f64, parallel: usize) -> Self {
        Self {
            max_requests_per_second,
            slots: parallel,
            free: parallel,
        }
    }

    /// Whether each of `attempts` attempts can have a slot.
    pub fn allow(&self, attempts: usize) -> bool {
        self.free >= attempts
    }

    /// Takes the slots of one attempt, and leaves as many for each of `others` attempts. At least one slot must be
    /// free.
    pub fn take(&mut self, others: usize) -> usize {
        let slots = (self.free / (others + 1)).clamp(1, self.free);
        self.free -= slots;
        slots
    }

    pub fn give_back(&mut self, slots: usize) {
        self.free += slots;
    }

    /// The share of an attempt with this many slots, in requests per second.
    pub fn requests_per_second(&self, slots: usize) -> f64 {
        self.max_requests_per_second * slots as f64 / self.slots as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_use_the_whole_limit_and_never_exceed_it() {
        for parallel in 1..40 {
            for attempts in 1..=parallel {
                let mut shares = Shares::new(1000.0, parallel);
                assert!(shares.allow(parallel) && !shares.allow(parallel + 1));
                let slots: Vec<usize> = (0..attempts).rev().map(|others| shares.take(others)).collect();
                assert_eq!(slots.iter().sum::<usize>(), parallel, "{attempts} of {parallel}");
                let (min, max) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
                assert!(*min >= 1 && max - min <= parallel / attempts, "{slots:?}");
                let sum: f64 = slots.iter().map(|&slots| shares.requests_per_second(slots)).sum();
                assert!((sum - 1000.0).abs() < 1e-6);
                for slots in slots {
                    shares.give_back(slots);
                }
                assert!(shares.allow(parallel));
            }
        }
    }
}
