//! What an attempt came to.

use std::collections::HashMap;

use shared::object::Key;
use shared::protocol::chunk::ChunkResponse;

/// The keys that a lost attempt had committed, and whether each has EXIF.
pub type Committed = HashMap<Key, bool>;

#[derive(Debug)]
pub enum AttemptResult {
    Response(Box<ChunkResponse>),
    /// Lambda had no room: the processor did not run.
    Throttled(String),
    /// Lambda is out of order; whether the processor ran is not known. The attempt is given up.
    Unavailable {
        error: String,
        committed: Committed,
    },
    /// The processor ran and died, or its response was lost. The attempt is given up.
    Lost {
        error: String,
        committed: Committed,
    },
    /// It did not run and never will, or every chunk would meet the same error.
    Rejected(String),
    /// It is lost, and cannot be given up.
    Unfenced(String),
}
