use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use aws_config::SdkConfig;
use local::s3::{Chances, Part, Responder};
use local::scheduler::Schedules;
use parking_lot::Mutex;
use rand::distr::uniform::{SampleRange, SampleUniform};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::clock::Clock;

use crate::checks::Observer;
use crate::lambda::Lambda;
use crate::scenario::{Scenario, Trouble};
use crate::source::History;
use crate::trace::Trace;

/// S3's time at the start of each run: 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Everything that a run has: the parties, the time, chance, and what was seen.
pub struct World {
    pub scenario: Scenario,
    /// The right time. Each environment of a function has its own.
    pub clock: Clock,
    pub s3: Responder,
    pub schedules: Schedules,
    pub lambda: Lambda,
    pub trace: Trace,
    pub observer: Observer,
    pub history: History,
    /// The SDK's settings, without connections.
    pub sdk: SdkConfig,
    random: Mutex<ChaCha8Rng>,
    calm: AtomicBool,
}

impl World {
    pub fn new(scenario: Scenario, sdk: SdkConfig) -> Arc<Self> {
        fastrand::seed(scenario.seed);
        let clock = Clock::simulated(START);
        Arc::new(Self {
            s3: Responder::new(clock.clone()),
            schedules: Schedules::default(),
            lambda: Lambda::default(),
            trace: Trace::default(),
            observer: Observer::default(),
            history: History::default(),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(scenario.seed)),
            calm: AtomicBool::new(false),
            clock,
            scenario,
            sdk,
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
        let now = if self.calm.load(Relaxed) {
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

    /// Sets S3's random faults to those of this moment.
    pub fn set_s3_faults(&self) {
        let mut chances = Chances {
            seed: self.random(0..u64::MAX),
            ..Chances::default()
        };
        self.troubles().for_each(|trouble| trouble.add_to(&mut chances));
        self.s3.faults.set_chances((chances.total() > 0.0).then_some(chances));
    }

    /// Sets what S3 is like as long as the run lasts.
    pub fn set_s3_up(&self) {
        let settings = &self.scenario.settings;
        self.s3.faults.set_latency(settings.latency);
        if settings.ignores_conditions {
            self.s3.faults.ignore(Part::Conditions);
        }
    }

    /// No trouble comes from now on.
    pub fn calm_down(&self) {
        self.note("all faults end".to_owned());
        self.calm.store(true, Relaxed);
        self.s3.faults.clear();
        self.set_s3_up();
    }
}
