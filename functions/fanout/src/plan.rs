//! Which objects go to a processor, and in which chunks.

use serde::{Deserialize, Serialize};
use shared::chunk::{MAX_ERROR_BYTES, ObjectRef};
use shared::filter::Filter;

use crate::source::{Candidate, Standing};

/// Lambda takes 6 MB in and gives as much back; this leaves room for all that is not objects.
const MAX_PAYLOAD: usize = 6 * 1024 * 1024 - 512 * 1024;

/// What a failed key takes in an answer beside the key, which is a part of its object here: class,
/// error and the names of its fields.
const FAILED_KEY: usize = MAX_ERROR_BYTES + 64;

/// Objects that one invocation is to process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// From 0, each number once in a job.
    pub number: u64,
    pub objects: Vec<ObjectRef>,
    /// What became of the attempts at it.
    #[serde(default)]
    pub tries: Tries,
}

/// How often attempts ended in one way or another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// The invocation died.
    pub died: u32,
    /// Lambda had no room.
    pub throttled: u32,
    /// Lambda was out of order.
    pub unavailable: u32,
    /// It came back with nothing done.
    pub returned: u32,
}

/// What became of some objects of the source.
#[derive(Debug, Default)]
pub struct Planned {
    pub listed: u64,
    pub bytes: u64,
    pub ignored: u64,
    pub skipped: u64,
    /// Those that are full.
    pub chunks: Vec<Vec<ObjectRef>>,
}

/// Fills chunks up to a number of keys, of bytes, and of bytes on the wire.
#[derive(Debug)]
pub struct Planner {
    filter: Filter,
    max_keys: usize,
    max_bytes: u64,
    open: Vec<ObjectRef>,
    open_bytes: u64,
    open_payload: usize,
}

impl Planner {
    pub fn new(filter: Filter, max_keys: usize, max_bytes: u64) -> Self {
        Self {
            filter,
            max_keys,
            max_bytes,
            open: Vec::new(),
            open_bytes: 0,
            open_payload: 0,
        }
    }

    pub fn plan(&mut self, candidates: Vec<Candidate>) -> Planned {
        let mut planned = Planned::default();
        for candidate in candidates {
            let object = candidate.object;
            planned.listed += 1;
            planned.bytes += object.size.unwrap_or_default();
            let accepted = self
                .filter
                .accepts(&object.key, object.size, candidate.last_modified.as_ref());
            match candidate.standing {
                Standing::Open if accepted => planned.chunks.extend(self.add(object)),
                Standing::Current if accepted => planned.skipped += 1,
                _ => planned.ignored += 1,
            }
        }
        planned
    }

    /// Adds an object; gives the chunk it no longer fits into.
    fn add(&mut self, object: ObjectRef) -> Option<Vec<ObjectRef>> {
        let size = object.size.unwrap_or_default();
        let payload = serde_json::to_vec(&object).expect("an object is valid JSON").len() + FAILED_KEY;
        let fits = self.open.len() < self.max_keys
            && self.open_bytes.saturating_add(size) <= self.max_bytes
            && self.open_payload + payload <= MAX_PAYLOAD;
        let full = if fits { None } else { self.rest() };
        self.open_bytes = self.open_bytes.saturating_add(size);
        self.open_payload += payload;
        self.open.push(object);
        full
    }

    /// The last chunk.
    pub fn rest(&mut self) -> Option<Vec<ObjectRef>> {
        self.open_bytes = 0;
        self.open_payload = 0;
        Some(std::mem::take(&mut self.open)).filter(|objects| !objects.is_empty())
    }

    /// The objects of the chunk that is not full yet.
    pub fn open(&self) -> &[ObjectRef] {
        &self.open
    }
}

#[cfg(test)]
mod tests {
    use shared::chunk::FailedKey;
    use shared::failure::Class;
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

    fn candidate(key: &str, size: u64) -> Candidate {
        Candidate {
            object: ObjectRef {
                key: key.to_owned(),
                size: Some(size),
                etag: "e".to_owned(),
                version_id: None,
                storage_class: None,
            },
            last_modified: None,
            standing: Standing::Open,
        }
    }

    /// The sizes of the objects in each chunk.
    fn chunks(planner: &mut Planner, sizes: &[u64]) -> Vec<Vec<u64>> {
        let candidates = sizes.iter().map(|&size| candidate("a.jpg", size)).collect();
        let mut chunks = planner.plan(candidates).chunks;
        chunks.extend(planner.rest());
        chunks
            .iter()
            .map(|objects| objects.iter().map(|object| object.size.unwrap()).collect())
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
    fn request_and_answer_stay_below_the_payload_limit() {
        let mut planner = planner(10_000, u64::MAX);
        // Control characters take six bytes each as JSON.
        let long = format!("{}.jpg", "\u{1}".repeat(1000));
        for key in [long.as_str(), "a.jpg"] {
            let mut chunks = planner.plan((0..12_000).map(|_| candidate(key, 1)).collect()).chunks;
            chunks.extend(planner.rest());
            assert_eq!(chunks.iter().map(Vec::len).sum::<usize>(), 12_000);
            assert!(chunks[0].len() > 500);
            for chunk in chunks {
                assert!(serde_json::to_vec(&chunk).unwrap().len() <= MAX_PAYLOAD);
                let error = "\u{1}".repeat(10_000);
                let failed: Vec<FailedKey> = chunk
                    .into_iter()
                    .map(|object| FailedKey::new(object.key, Class::AccessDenied, &error))
                    .collect();
                assert!(serde_json::to_vec(&failed).unwrap().len() <= MAX_PAYLOAD);
            }
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut planner = planner(10, 100);
        let mut current = candidate("d.jpg", 1);
        current.standing = Standing::Current;
        let mut duplicate = candidate("a.jpg", 5);
        duplicate.standing = Standing::Ignored;
        let mut unsized_ = candidate("e.jpg", 0);
        unsized_.object.size = None;
        let page = planner.plan(vec![
            candidate("a.jpg", 5),
            candidate("b.txt", 7),
            candidate("c.jpg", 0),
            current,
            duplicate,
            unsized_,
        ]);
        assert_eq!((page.listed, page.ignored, page.skipped), (6, 3, 1));
        assert_eq!(page.bytes, 18);
        assert_eq!(planner.rest().unwrap().len(), 2);
    }
}
