use crate::object::Key;
use crate::protocol::examples::{Example, Examples};

use super::{Excerpt, Found};

/// What the records of some images say: of the images of a chunk, or of those that a lost attempt had committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub ok: u64,
    pub with_exif: u64,
    pub found: Found,
    pub examples: Examples,
}

impl Tally {
    /// Counts an image that is `ok`.
    pub fn add(&mut self, key: &Key, excerpt: &Excerpt) {
        self.ok += 1;
        self.with_exif += u64::from(excerpt.has_exif);
        self.found.add(excerpt);
        if excerpt.is_damaged {
            self.examples.add(Example::Damaged, key);
        }
        if excerpt.format == "unknown" {
            self.examples.add(Example::Unknown, key);
        }
    }
}
