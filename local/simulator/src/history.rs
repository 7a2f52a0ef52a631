//! Everything that the objects of the source have been.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

/// The states of each object, by its key relative to the source.
#[derive(Default)]
pub struct History(Mutex<BTreeMap<String, States>>);

/// What an object has been.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// Oldest first.
    pub versions: Vec<u32>,
    /// Whether it was there at all times.
    pub is_constant: bool,
    pub is_deleted: bool,
}

impl History {
    /// An object is there from the start.
    pub fn begin(&self, key: &str) {
        self.0.lock().entry(key.to_owned()).or_default().is_constant = true;
    }

    pub fn put(&self, key: &str, version: u32) {
        let mut history = self.0.lock();
        let states = history.entry(key.to_owned()).or_default();
        states.versions.push(version);
        states.is_deleted = false;
    }

    pub fn delete(&self, key: &str) {
        if let Some(states) = self.0.lock().get_mut(key) {
            states.is_constant = false;
            states.is_deleted = true;
        }
    }

    pub fn states(&self) -> BTreeMap<String, States> {
        self.0.lock().clone()
    }

    pub fn keys(&self) -> BTreeSet<String> {
        self.0.lock().keys().cloned().collect()
    }
}
