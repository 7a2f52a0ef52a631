use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// When invocations of the processor began and ended.
#[derive(Debug, Default)]
pub struct Occupancy(Mutex<Vec<(Instant, Change)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Began,
    Ended,
}

/// How busy the slots of a job were, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// Until the last invocation began.
    pub until_last_start: f64,
    /// Until the last invocation ended.
    pub until_last_end: f64,
}

impl Occupancy {
    /// Runs an invocation.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.add(Change::Began);
        let result = work.await;
        self.add(Change::Ended);
        result
    }

    fn add(&self, change: Change) {
        let mut changes = self.0.lock();
        changes.push((Instant::now(), change));
    }

    /// How busy `slots` slots were, from the first invocation on. `None` if there was none.
    pub fn busy(&self, slots: usize) -> Option<Busy> {
        let changes = self.0.lock();
        let (first, _) = *changes.first()?;
        let (mut running, mut last, mut area) = (0_u32, first, Duration::ZERO);
        let (mut until_last_start, mut until_last_end) = (0.0, 0.0);
        for &(at, change) in changes.iter() {
            area += (at - last) * running;
            last = at;
            let share = area.as_secs_f64() / (at - first).as_secs_f64().max(1e-9) / slots as f64;
            match change {
                Change::Began => {
                    running += 1;
                    until_last_start = share;
                }
                Change::Ended => {
                    running -= 1;
                    until_last_end = share;
                }
            }
        }
        Some(Busy {
            until_last_start,
            until_last_end,
        })
    }
}
