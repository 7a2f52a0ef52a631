//! Finds duplicates in a list of keys.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// A list of up to this many keys may be in any order. Each key needs 16 bytes in a hash table that may be half empty:
/// 36 MB in total.
const MAX_UNSORTED_KEYS: usize = 1_000_000;

/// Finds duplicates in a list. The first `MAX_UNSORTED_KEYS` keys are compared by their hashes of 128 bits. Later keys
/// are only compared with the key before, so a longer list must be sorted.
#[derive(Default)]
pub struct Distinct {
    hashing: [RandomState; 2],
    hashes: HashSet<u128>,
    last: Option<Vec<u8>>,
    ascending: bool,
}

/// The error for a list that is too long and not sorted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a list of more than {MAX_UNSORTED_KEYS} keys must be sorted, so that duplicates can be found: sort it by bytes \
     (LC_ALL=C sort), or split it"
)]
pub struct Unsorted;

impl Distinct {
    pub fn new() -> Self {
        Self {
            ascending: true,
            ..Self::default()
        }
    }

    /// Whether the key was not in the list before.
    pub fn is_new(&mut self, key: &[u8]) -> Result<bool, Unsorted> {
        if self.ascending {
            match self.last.as_deref() {
                Some(last) if last == key => return Ok(false),
                Some(last) => self.ascending = last < key,
                None => {}
            }
            self.last = Some(key.to_owned());
        }
        if self.hashes.len() < MAX_UNSORTED_KEYS {
            return Ok(self.hashes.insert(self.hash(key)));
        }
        if self.ascending {
            // The hashes stay, so that the list still counts as long.
            Ok(true)
        } else {
            Err(Unsorted)
        }
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let [high, low] = self.hashing.each_ref().map(|state| u128::from(state.hash_one(key)));
        high << 64 | low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found_in_any_order() {
        let mut distinct = Distinct::new();
        let new: Vec<bool> = ["b", "b", "a", "c", "b", "", "a"]
            .iter()
            .map(|key| distinct.is_new(key.as_bytes()).unwrap())
            .collect();
        assert_eq!(new, [true, false, true, true, false, true, false]);
    }

    #[test]
    fn long_lists_must_be_sorted() {
        let mut distinct = Distinct::new();
        for number in 0..MAX_UNSORTED_KEYS + 10 {
            assert_eq!(distinct.is_new(format!("{number:08}").as_bytes()), Ok(true));
        }
        assert_eq!(
            distinct.is_new(format!("{:08}", MAX_UNSORTED_KEYS + 9).as_bytes()),
            Ok(false)
        );
        assert_eq!(distinct.is_new(b"00000000"), Err(Unsorted));
    }
}
