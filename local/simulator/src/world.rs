use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use rand::distr::uniform::{SampleRange, SampleUniform};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::clock::Clock;

use crate::scenario::{Scenario, Trouble};
use crate::trace::Trace;

/// The time at the start of each run: 2026-01-01T00:00:00Z.
pub const START: Duration = Duration::from_secs(1_767_225_600);

/// What all parties of a run live in: what is to happen, the time and chance. It also has the trace.
pub struct World {
    pub scenario: Scenario,
    /// The right time. Each environment of a function has its own.
    pub clock: Clock,
    pub trace: Trace,
    random: Mutex<ChaCha8Rng>,
    is_calm: AtomicBool,
}

impl World {
    pub fn new(scenario: Scenario) -> Arc<Self> {
        fastrand::seed(scenario.seed);
        Arc::new(Self {
            clock: Clock::simulated(START),
            trace: Trace::default(),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(scenario.seed)),
            is_calm: AtomicBool::new(false),
            scenario,
        })
    }

    /// The time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.clock.since_epoch().saturating_sub(START)
    }

    pub fn note(&self, line: String) {
        self.trace.add(self.elapsed(), line);
    }

    /// A random number.
    pub fn random<T: SampleUniform>(&self, range: impl SampleRange<T>) -> T {
        self.random.lock().random_range(range)
    }

    /// A random time up to a limit.
    pub fn time_up_to(&self, most: Duration) -> Duration {
        Duration::from_millis(self.random(0..=u64::try_from(most.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whether something happens that has this chance.
    pub fn happens(&self, percent: u32) -> bool {
        percent > 0 && self.random(0..100) < percent
    }

    /// The troubles of this moment.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        let now = if self.is_calm.load(Relaxed) {
            Duration::MAX
        } else {
            self.elapsed()
        };
        let active = self
            .scenario
            .troubles
            .iter()
            .filter(move |lasting| lasting.is_active(now));
        active.map(|lasting| &lasting.trouble)
    }

    /// Whether a trouble of this moment strikes: each has a chance of its own. Returns the first that does.
    pub fn strikes<'a, T: 'a>(&'a self, select: impl Fn(&'a Trouble) -> Option<(u32, T)>) -> Option<T> {
        self.troubles()
            .filter_map(select)
            .find_map(|(percent, found)| self.happens(percent).then_some(found))
    }

    /// No trouble comes from now on.
    pub fn calm_down(&self) {
        self.note("all faults end".to_owned());
        self.is_calm.store(true, Relaxed);
    }
}
