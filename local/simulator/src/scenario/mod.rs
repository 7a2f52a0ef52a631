//! What happens in a run, apart from the order of single requests. A seed gives a scenario.
//!
//! | module | content |
//! |---|---|
//! | [`keys`] | the keys of the source |
//! | [`photo`] | the content of an object, which says which version it is |
//! | [`settings`] | the request that starts the job |
//! | [`trouble`] | what goes wrong, and when |

mod keys;
pub mod photo;
pub mod settings;
mod trouble;

use std::fmt;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

pub use keys::is_image;
pub use settings::Settings;
pub use trouble::{Lasting, Trouble};

/// A change of the source while the job runs.
#[derive(Clone, Debug)]
pub struct Change {
    pub at: Duration,
    pub key: String,
    /// The new version; `None` deletes the object.
    pub version: Option<u32>,
}

/// What the user does while the job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    Status,
    Redrive,
    /// An older version of the processor serves for a while.
    OldProcessor,
    /// An older version of fanout leaves a checkpoint of its layout.
    OldCheckpoint,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    /// The keys that are there when the job starts.
    pub keys: Vec<String>,
    /// Those of them whose output an earlier job has made.
    pub current: Vec<String>,
    /// Those that nobody may read.
    pub denied: Vec<String>,
    pub changes: Vec<Change>,
    pub troubles: Vec<Lasting>,
    pub actions: Vec<(Duration, Action)>,
    pub settings: Settings,
    /// Until when anything goes wrong.
    pub calm_at: Duration,
}

impl Scenario {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Other numbers than those that the world draws.
        let random = &mut ChaCha8Rng::seed_from_u64(!seed);
        let calm_at = Duration::from_secs(random.random_range(10..1_200));
        let count = *[1, 1, 3, 3, 10, 10, 20, 20, 40, 40, 40, 100]
            .choose(random)
            .expect("it is not empty");
        let keys = keys::keys(random, count);
        let settings = Settings::new(random);
        let mut scenario = Self {
            seed,
            current: current(random, &keys, &settings),
            changes: changes(random, &keys, calm_at),
            troubles: trouble::troubles(random, &keys, calm_at),
            actions: actions(random, calm_at),
            denied: Vec::new(),
            settings,
            keys,
            calm_at,
        };
        if scenario.settings.events {
            repeat_some(random, &mut scenario.changes);
        }
        // More could end the job: if all images are denied, it does not try the rest.
        let denied = *[0, 0, 1, 2].choose(random).expect("it is not empty");
        scenario.denied = scenario.keys.sample(random, denied).cloned().collect();
        scenario
    }

    /// The request that starts the job.
    #[must_use]
    pub fn request(&self, job_id: &str) -> Value {
        self.settings.request(job_id)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "    {:?}", self.settings)?;
        writeln!(formatter, "    keys: {:?}", self.keys)?;
        if !self.current.is_empty() {
            writeln!(formatter, "    have an output: {:?}", self.current)?;
        }
        if !self.denied.is_empty() {
            writeln!(formatter, "    may not be read: {:?}", self.denied)?;
        }
        for Change { at, key, version } in &self.changes {
            writeln!(
                formatter,
                "    after {:.1} s, {key:?} becomes version {version:?}",
                at.as_secs_f64()
            )?;
        }
        for (at, action) in &self.actions {
            writeln!(formatter, "    after {:.1} s, the user: {action:?}", at.as_secs_f64())?;
        }
        for Lasting { from, to, trouble } in &self.troubles {
            writeln!(
                formatter,
                "    from {:.1} to {:.1} s: {trouble:?}",
                from.as_secs_f64(),
                to.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

fn current(random: &mut ChaCha8Rng, keys: &[String], settings: &Settings) -> Vec<String> {
    if !settings.skip_current {
        return Vec::new();
    }
    let mut current = keys.to_vec();
    current.retain(|key| is_image(key) && random.random_bool(0.5));
    current
}

fn changes(random: &mut ChaCha8Rng, keys: &[String], calm_at: Duration) -> Vec<Change> {
    if random.random_bool(0.5) {
        return Vec::new();
    }
    let count = random.random_range(1..=6);
    let mut changes: Vec<Change> = (1..=count)
        .map(|version| {
            let is_new = random.random_bool(0.2);
            Change {
                at: moment(random, calm_at),
                key: if is_new {
                    format!("new/{version}.jpg")
                } else {
                    keys.choose(random).cloned().unwrap_or_default()
                },
                version: random.random_bool(0.8).then_some(version),
            }
        })
        .collect();
    changes.sort_by_key(|change| change.at);
    changes
}

/// Some objects are replaced again at once, so that two events are about the same object at the same time.
fn repeat_some(random: &mut ChaCha8Rng, changes: &mut Vec<Change>) {
    let count = u32::try_from(changes.len()).unwrap_or_default();
    let again: Vec<Change> = (count + 1..)
        .zip(changes.iter().filter(|_| random.random_bool(0.5)))
        .map(|(version, change)| Change {
            at: change.at,
            key: change.key.clone(),
            version: Some(version),
        })
        .collect();
    for mut change in again {
        change.at += Duration::from_millis(random.random_range(1..500));
        changes.push(change);
    }
    changes.sort_by_key(|change| change.at);
}

fn actions(random: &mut ChaCha8Rng, calm_at: Duration) -> Vec<(Duration, Action)> {
    const ACTIONS: [Action; 6] = [
        Action::Start,
        Action::Status,
        Action::Stop,
        Action::Redrive,
        Action::OldProcessor,
        Action::OldCheckpoint,
    ];
    let count = *[0, 0, 1, 2, 4].choose(random).expect("it is not empty");
    let mut actions: Vec<(Duration, Action)> = (0..count)
        .map(|_| {
            let action = *ACTIONS.choose(random).expect("it is not empty");
            (moment(random, calm_at), action)
        })
        .collect();
    actions.sort_by_key(|&(at, _)| at);
    actions
}

/// A moment before the calm. Most are early, because most jobs are short.
fn moment(random: &mut ChaCha8Rng, calm_at: Duration) -> Duration {
    calm_at.mul_f64(random.random_range(0.0..1.0_f64).powi(4))
}
