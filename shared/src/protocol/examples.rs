//! Keys that show what a number of a report is about.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::failure::FailureClass;
use super::ignored::IgnoreReason;
use super::json_text;
use crate::object::Key;

/// The most keys of one list.
const MAX_KEYS: usize = 20;

/// The most bytes of one list as JSON, so that long keys leave room for the other lists. One key always has room.
const MAX_LIST_BYTES: usize = 2_000;

/// The most bytes of all lists as JSON.
const MAX_BYTES: usize = 15_500;

/// What the keys of a list have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    Ignored(IgnoreReason),
    Failed(FailureClass),
    /// `ok`, with warnings.
    Damaged,
    /// `ok`, in a format that is not read.
    Unknown,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored(reason) => write!(f, "ignored_by.{reason}"),
            Self::Failed(class) => write!(f, "failures.{class}"),
            Self::Damaged => f.write_str("damaged"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The first keys of each kind, as far as there is room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Examples(BTreeMap<String, Vec<Key>>);

impl Examples {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys of a kind.
    #[must_use]
    pub fn of(&self, example: Example) -> &[Key] {
        self.0.get(&example.to_string()).map_or(&[], Vec::as_slice)
    }

    pub fn add(&mut self, example: Example, key: &Key) {
        self.insert(&example.to_string(), key);
    }

    /// Adds later examples.
    pub fn merge(&mut self, later: &Self) {
        for (name, keys) in &later.0 {
            for key in keys {
                self.insert(name, key);
            }
        }
    }

    fn insert(&mut self, name: &str, key: &Key) {
        let list = self.0.get(name).map_or(&[][..], Vec::as_slice);
        let has_room = match list.len() {
            0 => true,
            MAX_KEYS.. => false,
            _ => size(list) + size([key]) <= MAX_LIST_BYTES,
        };
        if !has_room || list.contains(key) {
            return;
        }
        let all: usize = self.0.values().map(size).sum();
        if all + size([key]) <= MAX_BYTES {
            self.0.entry(name.to_owned()).or_default().push(key.clone());
        }
    }
}

/// How many bytes keys take in a list of JSON, with quotes and commas.
fn size<'a>(keys: impl IntoIterator<Item = &'a Key>) -> usize {
    keys.into_iter().map(|key| json_text::size(key.as_str()) + 3).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_bounded() {
        let mut examples = Examples::default();
        for number in 0..30 {
            examples.add(Example::Damaged, &format!("{number}.jpg").into());
            examples.add(Example::Unknown, &format!("{number}{}", "x".repeat(600)).into());
            // As JSON, a control character takes six bytes.
            let long = Key::from(format!("{number}{}", "\u{1}".repeat(1_000)));
            examples.add(Example::Ignored(IgnoreReason::Name), &long);
            examples.add(Example::Failed(FailureClass::Internal), &long);
            examples.add(Example::Failed(FailureClass::Timeout), &long);
        }
        let counts = [
            Example::Damaged,
            Example::Unknown,
            Example::Ignored(IgnoreReason::Name),
            Example::Failed(FailureClass::Internal),
            Example::Failed(FailureClass::Timeout),
        ]
        .map(|example| examples.of(example).len());
        assert_eq!(counts, [20, 3, 1, 1, 0]);
        let json = serde_json::to_string(&examples).unwrap_or_default();
        assert!(json.len() < MAX_BYTES + 500, "{}", json.len());
    }

    #[test]
    fn the_same_key_is_named_once() {
        let mut examples = Examples::default();
        examples.add(Example::Damaged, &"a.jpg".into());
        let mut all = examples.clone();
        all.merge(&examples);
        assert_eq!(all, examples);
        assert_eq!(
            serde_json::to_string(&all).unwrap_or_default(),
            r#"{"damaged":["a.jpg"]}"#
        );
    }
}
