//! Which objects go to a processor, and in which chunks.

use shared::chunk::ObjectRef;
use shared::filter::Filter;

use crate::list::Listed;

/// The most one chunk's objects may take as JSON. Lambda takes 6 MB in and gives back as much; a third
/// leaves room for an error message for every key.
const MAX_JSON_BYTES: usize = 2_000_000;

/// Objects that one invocation is to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// From 0, each number once in a job.
    pub number: u64,
    pub objects: Vec<ObjectRef>,
    /// How often its objects came back unprocessed.
    pub returned: u32,
}

/// What became of one page of a listing.
#[derive(Debug, Default)]
pub struct Planned {
    pub listed: u64,
    pub bytes: u64,
    pub ignored: u64,
    /// Those that are full.
    pub chunks: Vec<Vec<ObjectRef>>,
}

/// Fills chunks up to a number of keys and of bytes.
#[derive(Debug)]
pub struct Planner {
    filter: Filter,
    max_keys: usize,
    max_bytes: u64,
    open: Vec<ObjectRef>,
    open_bytes: u64,
    open_json: usize,
}

impl Planner {
    pub fn new(filter: Filter, max_keys: usize, max_bytes: u64) -> Self {
        Self {
            filter,
            max_keys,
            max_bytes,
            open: Vec::new(),
            open_bytes: 0,
            open_json: 0,
        }
    }

    pub fn page(&mut self, page: Vec<Listed>) -> Planned {
        let mut planned = Planned::default();
        for Listed { object, last_modified } in page {
            planned.listed += 1;
            planned.bytes += object.size;
            if self.filter.accepts(&object.key, object.size, last_modified.as_ref()) {
                planned.chunks.extend(self.add(object));
            } else {
                planned.ignored += 1;
            }
        }
        planned
    }

    /// Adds an object; gives the chunk it no longer fits into.
    fn add(&mut self, object: ObjectRef) -> Option<Vec<ObjectRef>> {
        let json = serde_json::to_vec(&object).expect("an object is valid JSON").len() + 1;
        let fits = self.open.len() < self.max_keys
            && self.open_bytes.saturating_add(object.size) <= self.max_bytes
            && self.open_json + json <= MAX_JSON_BYTES;
        let full = if fits { None } else { self.rest() };
        self.open_bytes += object.size;
        self.open_json += json;
        self.open.push(object);
        full
    }

    /// The last chunk.
    pub fn rest(&mut self) -> Option<Vec<ObjectRef>> {
        self.open_bytes = 0;
        self.open_json = 0;
        Some(std::mem::take(&mut self.open)).filter(|objects| !objects.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use shared::filter::Names;

    use super::*;

    fn planner(max_keys: usize, max_bytes: u64) -> Planner {
        let filter = Filter {
            names: Names::new(None, &[]).unwrap(),
            min_bytes: 1,
            max_bytes: u64::MAX,
            modified_after: None,
        };
        Planner::new(filter, max_keys, max_bytes)
    }

    fn listed(key: &str, size: u64) -> Listed {
        Listed {
            object: ObjectRef {
                key: key.to_owned(),
                size,
                etag: "e".to_owned(),
                version_id: None,
            },
            last_modified: None,
        }
    }

    /// The sizes of the objects in each chunk.
    fn chunks(planner: &mut Planner, sizes: &[u64]) -> Vec<Vec<u64>> {
        let page = sizes.iter().map(|&size| listed("a.jpg", size)).collect();
        let mut chunks = planner.page(page).chunks;
        chunks.extend(planner.rest());
        chunks
            .iter()
            .map(|objects| objects.iter().map(|object| object.size).collect())
            .collect()
    }

    #[test]
    fn chunks_end_at_either_bound() {
        for (max_keys, max_bytes, sizes, expected) in [
            (2, 100, vec![1, 1, 1], vec![vec![1, 1], vec![1]]),
            (9, 100, vec![60, 40, 1], vec![vec![60, 40], vec![1]]),
            (9, 100, vec![60, 41], vec![vec![60], vec![41]]),
            // An object above the bound goes alone.
            (9, 100, vec![1, 500, 1], vec![vec![1], vec![500], vec![1]]),
            (1, 100, vec![1, 1], vec![vec![1], vec![1]]),
            (9, 100, vec![], vec![]),
        ] {
            assert_eq!(chunks(&mut planner(max_keys, max_bytes), &sizes), expected, "{sizes:?}");
        }
    }

    #[test]
    fn long_keys_keep_chunks_below_the_payload_limit() {
        let mut planner = planner(10_000, u64::MAX);
        // Control characters take six bytes each as JSON.
        let key = format!("{}.jpg", "\u{1}".repeat(1000));
        let mut chunks = planner.page((0..1000).map(|_| listed(&key, 1)).collect()).chunks;
        chunks.extend(planner.rest());
        assert_eq!(chunks.iter().map(Vec::len).sum::<usize>(), 1000);
        for chunk in chunks {
            assert!(serde_json::to_vec(&chunk).unwrap().len() <= MAX_JSON_BYTES + 2);
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut planner = planner(10, 100);
        let page = planner.page(vec![listed("a.jpg", 5), listed("b.txt", 7), listed("c.jpg", 0)]);
        assert_eq!((page.listed, page.ignored, page.bytes), (3, 2, 12));
        assert_eq!(planner.rest().unwrap().len(), 1);
    }
}
