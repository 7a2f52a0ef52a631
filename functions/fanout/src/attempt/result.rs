//! The result of an attempt.

use std::collections::HashMap;

use shared::object::Key;
use shared::protocol::chunk::ChunkResponse;

/// The keys that a lost attempt had committed, and whether each has EXIF.
pub type Committed = HashMap<Key, bool>;

#[derive(Debug)]
pub enum AttemptResult {
    Response(Box<ChunkResponse>),
    /// Lambda throttled the attempt. The processor did not run.
    Throttled(String),
    /// Lambda is unavailable. The processor may have run. The attempt was given up.
    Unavailable {
        error: String,
        committed: Committed,
    },
    /// The processor died, or its response was lost. The attempt was given up.
    Lost {
        error: String,
        committed: Committed,
    },
    /// The credentials of the processor's process have expired. The attempt was given up.
    CredentialsExpired {
        error: String,
        committed: Committed,
    },
    /// S3 does not accept the processor's credentials. The attempt was given up.
    CredentialsRefused {
        error: String,
        committed: Committed,
    },
    /// Lambda refused the invocation and would refuse it again, or every chunk would meet the same error.
    Rejected(String),
    /// The attempt was lost and cannot be given up.
    Unfenced(String),
}

impl AttemptResult {
    /// Why there is no response.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Response(_) => None,
            Self::Throttled(error)
            | Self::Unavailable { error, .. }
            | Self::Lost { error, .. }
            | Self::CredentialsExpired { error, .. }
            | Self::CredentialsRefused { error, .. }
            | Self::Rejected(error)
            | Self::Unfenced(error) => Some(error),
        }
    }
}
