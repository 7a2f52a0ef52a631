use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use parking_lot::Mutex;

/// What happened in a run, in words. The same seed gives the same trace.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Vec<(Duration, String)>>);

impl Trace {
    /// Adds a line. `at` is the time since the start of the run.
    pub fn add(&self, at: Duration, line: String) {
        self.0.lock().push((at, line));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all lines out.
    #[must_use]
    pub fn take(&self) -> Self {
        Self(Mutex::new(std::mem::take(&mut self.0.lock())))
    }

    #[must_use]
    pub fn hash(&self) -> u64 {
        // Its keys are fixed, unlike those of a `RandomState`.
        let mut hasher = DefaultHasher::new();
        self.0.lock().hash(&mut hasher);
        hasher.finish()
    }

    /// The last lines, with their times in seconds.
    #[must_use]
    pub fn last(&self, lines: usize) -> String {
        let trace = self.0.lock();
        let mut text = String::new();
        for (at, line) in &trace[trace.len().saturating_sub(lines)..] {
            writeln!(text, "{:9.3} s  {line}", at.as_secs_f64()).expect("a string takes any text");
        }
        text
    }
}
