//! Filters objects and puts them into chunks.

use shared::filter::Filter;
use shared::object::ObjectRef;
use shared::protocol::failure::MAX_ERROR_BYTES;

use crate::source::{Candidate, Disposition};
use crate::store::ListedCounts;

/// The most bytes of objects in a request, and of failed keys in a response. Lambda allows 6 MB for each; the rest is
/// for the other fields.
const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024 - 512 * 1024;

/// What a failed key needs in a response in addition to the key: its class, its error and the names of the fields. The
/// key itself is counted with its object.
const FAILED_KEY_BYTES: usize = MAX_ERROR_BYTES + 64;

/// The counts and the full chunks of some objects of the source.
#[derive(Debug, Default)]
pub struct Planned {
    pub counts: ListedCounts,
    /// Objects that no request can name.
    pub unnamed: Vec<ObjectRef>,
    pub chunks: Vec<Vec<ObjectRef>>,
}

/// Fills chunks up to a limit of keys, of image bytes, and of bytes in the request or response.
#[derive(Debug)]
pub struct Planner {
    filter: Filter,
    max_keys: usize,
    max_bytes: u64,
    /// The chunk that is not full yet.
    partial: Vec<ObjectRef>,
    partial_bytes: u64,
    partial_payload: usize,
}

impl Planner {
    pub fn new(filter: Filter, max_keys: usize, max_bytes: u64) -> Self {
        Self {
            filter,
            max_keys,
            max_bytes,
            partial: Vec::new(),
            partial_bytes: 0,
            partial_payload: 0,
        }
    }

    pub fn plan(&mut self, candidates: Vec<Candidate>) -> Planned {
        let mut planned = Planned::default();
        for candidate in candidates {
            let object = candidate.object;
            let counts = &mut planned.counts;
            counts.listed += 1;
            counts.bytes += object.size.unwrap_or_default();
            let accepted = self
                .filter
                .accepts(&object.key, object.size, candidate.last_modified.as_ref());
            match candidate.disposition {
                Disposition::Process if accepted => planned.chunks.extend(self.add(object)),
                Disposition::Skip if accepted => counts.skipped += 1,
                Disposition::Unnamed if accepted => planned.unnamed.push(object),
                _ => counts.ignored += 1,
            }
        }
        planned
    }

    /// Adds an object. If it does not fit into the current chunk, returns that chunk and starts a new one.
    fn add(&mut self, object: ObjectRef) -> Option<Vec<ObjectRef>> {
        let size = object.size.unwrap_or_default();
        let payload = serde_json::to_vec(&object).expect("an object is valid JSON").len() + FAILED_KEY_BYTES;
        let fits = self.partial.len() < self.max_keys
            && self.partial_bytes.saturating_add(size) <= self.max_bytes
            && self.partial_payload + payload <= MAX_PAYLOAD_BYTES;
        let full = if fits { None } else { self.rest() };
        self.partial_bytes = self.partial_bytes.saturating_add(size);
        self.partial_payload += payload;
        self.partial.push(object);
        full
    }

    /// Takes the chunk that is not full yet; `None` if it is empty.
    pub fn rest(&mut self) -> Option<Vec<ObjectRef>> {
        self.partial_bytes = 0;
        self.partial_payload = 0;
        Some(std::mem::take(&mut self.partial)).filter(|objects| !objects.is_empty())
    }

    /// The objects of the chunk that is not full yet.
    pub fn partial(&self) -> &[ObjectRef] {
        &self.partial
    }
}

#[cfg(test)]
mod tests {
    use shared::filter::Names;
    use shared::object::ETag;
    use shared::protocol::failure::{FailedKey, FailureClass};

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
                key: key.into(),
                size: Some(size),
                etag: ETag::parse("e"),
                version_id: None,
                storage_class: None,
            },
            last_modified: None,
            disposition: Disposition::Process,
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
    fn chunks_end_at_each_limit() {
        for (max_keys, max_bytes, sizes, expected) in [
            (2, 100, vec![1, 1, 1], vec![vec![1, 1], vec![1]]),
            (9, 100, vec![60, 40, 1], vec![vec![60, 40], vec![1]]),
            (9, 100, vec![60, 41], vec![vec![60], vec![41]]),
            // An object above the limit is a chunk of its own.
            (9, 100, vec![1, 500, 1], vec![vec![1], vec![500], vec![1]]),
            (1, 100, vec![1, 1], vec![vec![1], vec![1]]),
            (9, 100, vec![], vec![]),
        ] {
            assert_eq!(chunks(&mut planner(max_keys, max_bytes), &sizes), expected, "{sizes:?}");
        }
    }

    #[test]
    fn request_and_response_stay_below_the_payload_limit() {
        let mut planner = planner(10_000, u64::MAX);
        // Control characters take six bytes each as JSON.
        let long = format!("{}.jpg", "\u{1}".repeat(1000));
        for key in [long.as_str(), "a.jpg"] {
            let mut chunks = planner.plan((0..12_000).map(|_| candidate(key, 1)).collect()).chunks;
            chunks.extend(planner.rest());
            assert_eq!(chunks.iter().map(Vec::len).sum::<usize>(), 12_000);
            assert!(chunks[0].len() > 500);
            for chunk in chunks {
                assert!(serde_json::to_vec(&chunk).unwrap().len() <= MAX_PAYLOAD_BYTES);
                let error = "\u{1}".repeat(10_000);
                let failed: Vec<FailedKey> = chunk
                    .into_iter()
                    .map(|object| FailedKey::new(object.key, FailureClass::AccessDenied, &error))
                    .collect();
                assert!(serde_json::to_vec(&failed).unwrap().len() <= MAX_PAYLOAD_BYTES);
            }
        }
    }

    #[test]
    fn ignored_and_skipped_keys_are_counted() {
        let mut planner = planner(10, 100);
        let mut current = candidate("d.jpg", 1);
        current.disposition = Disposition::Skip;
        let mut duplicate = candidate("a.jpg", 5);
        duplicate.disposition = Disposition::Ignore;
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
        let counts = ListedCounts {
            listed: 6,
            bytes: 18,
            ignored: 3,
            skipped: 1,
        };
        assert_eq!(page.counts, counts);
        assert_eq!(planner.rest().unwrap().len(), 2);
    }
}
