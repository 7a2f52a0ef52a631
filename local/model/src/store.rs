use std::collections::BTreeMap;

/// A set of keys, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keys(pub u8);

impl Keys {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    pub generation: u8,
    pub sequence: u8,
}

/// The chunks that are in flight, by the attempts that were sent for them.
pub type InFlight = BTreeMap<Attempt, Keys>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    pub generation: u8,
    /// The invocation of fanout that works on the job.
    pub owner: usize,
    pub revision: u8,
    pub ok: Keys,
    pub queue: Vec<Keys>,
    pub in_flight: InFlight,
    pub is_completed: bool,
}

/// A record file. It is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordFile {
    /// fanout has given the attempt up.
    Fence,
    /// The processor has committed.
    Records(Keys),
}

/// What S3 holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Store {
    pub checkpoint: Checkpoint,
    /// Of the checkpoint.
    pub etag: u8,
    pub records: BTreeMap<Attempt, RecordFile>,
}

impl Store {
    /// Replaces the checkpoint if its `ETag` is this one.
    pub fn save(&mut self, checkpoint: Checkpoint, if_match: Option<u8>) -> Option<u8> {
        if if_match.is_some_and(|etag| etag != self.etag) {
            return None;
        }
        self.checkpoint = checkpoint;
        self.etag += 1;
        Some(self.etag)
    }

    /// Writes a record file, unless it exists. Returns what it holds now.
    pub fn write_once(&mut self, attempt: Attempt, file: RecordFile) -> RecordFile {
        *self.records.entry(attempt).or_insert(file)
    }

    /// All keys with a record, and whether one of them has two.
    pub fn recorded(&self) -> (Keys, bool) {
        let (mut all, mut twice) = (Keys::default(), false);
        for file in self.records.values() {
            if let RecordFile::Records(keys) = *file {
                twice |= all.overlaps(keys);
                all = all.with(keys);
            }
        }
        (all, twice)
    }
}
