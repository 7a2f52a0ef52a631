//! Why a job leaves an object out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreReason {
    /// Its name does not match `include`, or matches `exclude`.
    Name,
    /// It is smaller than `min_bytes` or larger than `max_bytes`.
    Size,
    /// It was not modified after `modified_after`.
    Date,
    /// A row of a list names a key outside the source.
    Outside,
    /// An earlier row of the list names the same key.
    Duplicate,
    /// A row of an inventory names an old version or a delete marker.
    OldVersion,
    /// Its key ends in `/`: a marker that makes a folder visible.
    Folder,
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A line in the files of ignored keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredKey {
    pub key: Key,
    /// Whether `key` is URL-encoded, because it is not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub url_encoded: bool,
    pub reason: IgnoreReason,
}
