//! Filters objects and puts them into chunks.

use shared::filter::Filter;
use shared::object::ObjectRef;
use shared::protocol::failure::MAX_ERROR_BYTES;
use shared::protocol::ignored::{IgnoreReason, IgnoredKey};
use tokio::time::Instant;

use crate::source::{self, Candidate, Cursor, Disposition, Portion};
use crate::store::{Ignored, ListedCounts};

/// The most bytes of objects in a request, and of failed keys in a response. Lambda allows 6 MB for each; the rest is
/// for the other fields.
const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024 - 512 * 1024;

/// What a failed key needs in a response in addition to the key: its class, its error and the names of the fields. The
/// key itself is counted with its object.
const FAILED_KEY_BYTES: usize = MAX_ERROR_BYTES + 64;

/// A chunk is ended when this many ignored keys are kept with it.
const MAX_IGNORED: usize = 10_000;

/// Some objects of the source that were listed, and what becomes of them.
#[derive(Debug, Default)]
pub struct Planned {
    pub counts: ListedCounts,
    pub ignored: Ignored,
    /// Objects that no request can name.
    pub unnamed: Vec<ObjectRef>,
    /// The objects of one chunk. Empty if no object is to be processed.
    pub objects: Vec<ObjectRef>,
}

impl Planned {
    /// Counts an object that is not to be processed.
    fn pass_over(&mut self, candidate: Candidate, rejected: Option<IgnoreReason>, keeps_ignored: bool) {
        self.count(&candidate.object);
        match (candidate.disposition, rejected) {
            (Disposition::Ignore(reason), _) | (_, Some(reason)) => {
                let ignored = IgnoredKey {
                    key: candidate.object.key,
                    url_encoded: !candidate.is_named,
                    reason,
                };
                self.ignored.add(ignored, keeps_ignored);
            }
            (Disposition::Skip, None) => self.counts.skipped += 1,
            (Disposition::Unnamed, None) => self.unnamed.push(candidate.object),
            (Disposition::Process, None) => unreachable!("an object to process is not passed over"),
        }
    }

    fn count(&mut self, object: &ObjectRef) {
        self.counts.listed += 1;
        self.counts.bytes += object.size.unwrap_or_default();
    }

    fn add(&mut self, later: Self) {
        self.counts.add(later.counts);
        self.ignored.merge(later.ignored);
        self.unnamed.extend(later.unnamed);
        self.objects.extend(later.objects);
    }
}

/// Fills chunks up to a limit of keys, of image bytes, and of bytes in the request or response.
///
/// What was listed counts only when its chunk is full. Until then, the planner has cursors for it. So a checkpoint does
/// not hold the keys of the open chunk: another invocation lists them again.
#[derive(Debug)]
pub struct Planner {
    filter: Filter,
    max_keys: usize,
    max_bytes: u64,
    /// Whether the ignored keys are kept, and not only counted.
    keeps_ignored: bool,
    /// The chunk that is not full yet.
    open: Planned,
    open_bytes: u64,
    open_payload: usize,
    /// When the open chunk got its first object.
    opened: Option<Instant>,
    /// What must be listed again to find the objects of the open chunk again.
    cursors: Vec<Cursor>,
}

impl Planner {
    pub fn new(filter: Filter, max_keys: usize, max_bytes: u64) -> Self {
        Self {
            filter,
            max_keys,
            max_bytes,
            keeps_ignored: false,
            open: Planned::default(),
            open_bytes: 0,
            open_payload: 0,
            opened: None,
            cursors: Vec::new(),
        }
    }

    /// Whether to keep the ignored keys.
    #[must_use]
    pub fn keep_ignored(self, keeps_ignored: bool) -> Self {
        Self { keeps_ignored, ..self }
    }

    /// Plans what was listed. Returns the chunks that are full now.
    pub fn plan(&mut self, portion: Portion) -> Vec<Planned> {
        let mut planned = Vec::new();
        // What follows the last object of the open chunk. It counts together with the next one, so that the chunk ends
        // with an object, whose key a cursor can name.
        let mut passed = Planned::default();
        let mut rest = portion.cursor.clone();
        let mut last_row = None;
        for (row, candidate) in (1..).zip(portion.candidates) {
            let object = &candidate.object;
            let rejected = self
                .filter
                .rejects(&object.key, object.size, candidate.last_modified.as_ref());
            if rejected.is_some() || candidate.disposition != Disposition::Process {
                passed.pass_over(candidate, rejected, self.keeps_ignored);
                continue;
            }
            let payload = serde_json::to_vec(object).expect("an object is valid JSON").len() + FAILED_KEY_BYTES;
            if !self.fits(object, payload) {
                if let (Some(row), Some(last)) = (last_row.take(), self.open.objects.last()) {
                    rest = portion.cursor.clone().after(&last.key, row);
                }
                planned.push(self.close());
            }
            self.opened = self.opened.or_else(|| Some(Instant::now()));
            self.open.add(std::mem::take(&mut passed));
            self.open_bytes = self.open_bytes.saturating_add(object.size.unwrap_or_default());
            self.open_payload += payload;
            self.open.count(object);
            self.open.objects.push(candidate.object);
            last_row = Some(row);
        }
        self.open.add(passed);
        if self.open.objects.is_empty() || self.open.ignored.keys.len() > MAX_IGNORED {
            planned.push(self.close());
        } else {
            source::add(&mut self.cursors, rest);
        }
        planned
    }

    fn fits(&self, object: &ObjectRef, payload: usize) -> bool {
        let bytes = self.open_bytes.saturating_add(object.size.unwrap_or_default());
        self.open.objects.is_empty()
            || (self.open.objects.len() < self.max_keys
                && bytes <= self.max_bytes
                && self.open_payload + payload <= MAX_PAYLOAD_BYTES)
    }

    /// Ends the open chunk, even if it is not full.
    pub fn close(&mut self) -> Planned {
        self.open_bytes = 0;
        self.open_payload = 0;
        self.opened = None;
        self.cursors.clear();
        std::mem::take(&mut self.open)
    }

    pub fn open_objects(&self) -> &[ObjectRef] {
        &self.open.objects
    }

    /// How many objects the open chunk has.
    pub fn open(&self) -> usize {
        self.open.objects.len()
    }

    /// When the open chunk got its first object.
    pub fn opened(&self) -> Option<Instant> {
        self.opened
    }

    /// What must be listed again to find the objects of the open chunk again.
    pub fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }
}

#[cfg(test)]
mod tests {
    use shared::filter::Names;
    use shared::object::{ETag, Key};
    use shared::protocol::failure::{FailedKey, FailureClass};

    use super::*;
    use crate::source::KeyRange;

    fn planner(max_keys: usize, max_bytes: u64) -> Planner {
        let filter = Filter {
            names: Names::new(None, &[], shared::modes::Images::Copy).unwrap(),
            min_bytes: 1,
            max_bytes: u64::MAX,
            modified_after: None,
        };
        Planner::new(filter, max_keys, max_bytes).keep_ignored(true)
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
            is_named: true,
            disposition: Disposition::Process,
        }
    }

    fn portion(after: &str, candidates: Vec<Candidate>) -> Portion {
        Portion {
            cursor: range(after, candidates.last().map(|last| last.object.key.as_str())),
            candidates,
        }
    }

    fn range(after: &str, until: Option<&str>) -> Cursor {
        Cursor::Keys(KeyRange {
            after: after.into(),
            until: until.map(Key::from),
        })
    }

    /// The sizes of the objects in each chunk.
    fn chunks(planner: &mut Planner, sizes: &[u64]) -> Vec<Vec<u64>> {
        let candidates = sizes.iter().map(|&size| candidate("a.jpg", size)).collect();
        let mut made = planner.plan(portion("", candidates));
        made.push(planner.close());
        made.iter()
            .map(|made| made.objects.iter().map(|object| object.size.unwrap()).collect())
            .filter(|sizes: &Vec<u64>| !sizes.is_empty())
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
            let candidates = (0..12_000).map(|_| candidate(key, 1)).collect();
            let mut made = planner.plan(portion("", candidates));
            made.push(planner.close());
            let chunks: Vec<_> = made.into_iter().map(|made| made.objects).collect();
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
        duplicate.disposition = Disposition::Ignore(IgnoreReason::Duplicate);
        let mut unsized_ = candidate("e.jpg", 0);
        unsized_.object.size = None;
        let candidates = vec![
            candidate("a.jpg", 5),
            candidate("b.txt", 7),
            candidate("c.jpg", 0),
            current,
            duplicate,
            unsized_,
        ];
        assert!(planner.plan(portion("", candidates)).is_empty());
        let made = planner.close();
        let counts = ListedCounts {
            listed: 6,
            bytes: 18,
            skipped: 1,
        };
        assert_eq!((made.counts, made.objects.len()), (counts, 2));
        let ignored: Vec<_> = made
            .ignored
            .keys
            .iter()
            .map(|key| (key.key.as_str(), key.reason))
            .collect();
        assert_eq!(
            ignored,
            [
                ("b.txt", IgnoreReason::Name),
                ("c.jpg", IgnoreReason::Size),
                ("a.jpg", IgnoreReason::Duplicate)
            ]
        );
        assert_eq!(made.ignored.by.values().sum::<u64>(), 3);
    }

    #[test]
    fn what_is_in_no_chunk_is_listed_again() {
        let mut planner = planner(2, 100);
        let keys = |keys: &[&str]| keys.iter().map(|key| candidate(key, 1)).collect();
        assert!(planner.plan(portion("", keys(&["a.jpg", "b.txt"]))).is_empty());
        assert_eq!(planner.cursors(), [range("", Some("b.txt"))]);
        // The next page of the same range, and a page of another range.
        assert!(planner.plan(portion("b.txt", keys(&["c.jpg", "d.txt"]))).is_empty());
        assert_eq!(planner.cursors(), [range("", Some("d.txt"))]);
        let made = planner.plan(portion("x", keys(&["y.txt", "z.jpg"])));
        // The keys behind the last object of a chunk are counted with the next chunk.
        assert_eq!((made.len(), made[0].counts.listed), (1, 4));
        assert_eq!(planner.cursors(), [range("x", Some("z.jpg"))]);
        // Within a page, the cursor moves to the last object of the chunk.
        let made = planner.plan(portion("z.jpg", keys(&["z1.jpg", "z2.txt", "z3.jpg"])));
        assert_eq!((made.len(), made[0].counts.listed), (1, 3));
        assert_eq!(planner.cursors(), [range("z1.jpg", Some("z3.jpg"))]);
        let made = planner.close();
        assert_eq!((made.counts.listed, made.objects.len()), (2, 1));
        assert!(planner.cursors().is_empty());
        // A page without an object to process counts at once.
        let made = planner.plan(portion("z3.jpg", keys(&["z4.txt"])));
        assert_eq!(made[0].ignored.by, [(IgnoreReason::Name, 1)].into());
        assert!(planner.cursors().is_empty());
    }
}
