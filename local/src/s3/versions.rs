use std::collections::BTreeMap;
use std::sync::Arc;

use super::object::Object;

/// All versions of each key of a bucket.
#[derive(Debug, Default)]
pub struct Versions {
    /// Oldest first.
    keys: BTreeMap<String, Vec<Version>>,
    made: usize,
}

#[derive(Debug)]
pub struct Version {
    pub id: String,
    /// `None` for a delete marker.
    pub object: Option<Arc<Object>>,
}

impl Versions {
    /// A new version id. Like those of S3, it has characters that must be encoded in a URL.
    pub fn next_id(&mut self) -> String {
        self.made += 1;
        format!("{:04}/v+=", self.made)
    }

    pub fn add(&mut self, key: &str, version: Version) {
        self.keys.entry(key.to_owned()).or_default().push(version);
    }

    #[must_use]
    pub fn get(&self, key: &str, id: &str) -> Option<&Version> {
        self.keys.get(key)?.iter().find(|version| version.id == id)
    }

    /// Removes a version permanently.
    pub fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key)?;
        let index = versions.iter().position(|version| version.id == id)?;
        Some(versions.remove(index))
    }

    /// The current object of a key. `None` if the latest version is a delete marker.
    #[must_use]
    pub fn current(&self, key: &str) -> Option<&Arc<Object>> {
        self.keys.get(key)?.last()?.object.as_ref()
    }
}
