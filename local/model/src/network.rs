use crate::store::{Attempt, Checkpoint, Keys, RecordFile};

/// A request on its way. It arrives at any time, also after its sender has given it up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// fanout `from` replaces the checkpoint whose `ETag` is `if_match`.
    Save {
        from: usize,
        if_match: u8,
        checkpoint: Checkpoint,
    },
    /// A processor commits an attempt that fanout `from` has sent. It may work for any time before.
    Commit { from: usize, attempt: Attempt, keys: Keys },
    /// fanout `from` gives an attempt up.
    Fence { from: usize, attempt: Attempt },
}

/// A response on its way to fanout `to`. It may be lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Response {
    /// Of S3 to a checkpoint: its new `ETag`, or `None` if it was not written.
    Saved { to: usize, revision: u8, etag: Option<u8> },
    /// Of a processor: the keys that it has committed.
    Processed { to: usize, attempt: Attempt, ok: Keys },
    /// Of S3 to a fence: what the record file holds.
    GivenUp {
        to: usize,
        attempt: Attempt,
        file: RecordFile,
    },
}
