use std::ops::Bound;
use std::sync::Arc;

use super::object::Object;

/// More objects than fit into memory. They are all the same, except for their keys: `photos/000000000.jpg`,
/// `photos/000000001.jpg` and so on. Each key is made when a request needs it.
#[derive(Clone, Debug)]
pub struct Counted {
    pub count: u64,
    pub object: Arc<Object>,
}

impl Counted {
    #[must_use]
    pub fn key(number: u64) -> String {
        format!("photos/{number:09}.jpg")
    }

    pub(super) fn get(&self, key: &str) -> Option<&Arc<Object>> {
        let number = key.strip_prefix("photos/")?.strip_suffix(".jpg")?.parse().ok()?;
        (number < self.count && Self::key(number) == key).then_some(&self.object)
    }

    /// The keys from `from` on.
    pub(super) fn range(&self, from: Bound<&str>) -> impl Iterator<Item = String> + use<> {
        let first = self.first(|key| match from {
            Bound::Included(from) => key < from,
            Bound::Excluded(from) => key <= from,
            Bound::Unbounded => false,
        });
        (first..self.count).map(Self::key)
    }

    /// The number of the first key for which `is_before` is false.
    fn first(&self, is_before: impl Fn(&str) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(&Self::key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
