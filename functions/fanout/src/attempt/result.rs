//! The result of an attempt.

use shared::object::ObjectRef;
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::found::Tally;

/// What an attempt had done before it was given up.
#[derive(Debug, Default)]
pub struct GivenUp {
    pub committed: Box<Tally>,
    /// The objects of its chunk that it had not committed.
    pub remaining: Vec<ObjectRef>,
}

/// The response of a processor.
#[derive(Debug, Default)]
pub struct Processed {
    pub response: ChunkResponse,
    /// The objects without an outcome.
    pub unprocessed: Vec<ObjectRef>,
}

#[derive(Debug)]
pub enum AttemptResult {
    Response(Box<Processed>),
    /// Lambda throttled the attempt. The processor did not run.
    Throttled(String),
    /// Lambda is unavailable. The processor may have run. The attempt was given up.
    Unavailable {
        error: String,
        given_up: GivenUp,
    },
    /// The processor died, or its response was lost. The attempt was given up.
    Lost {
        error: String,
        given_up: GivenUp,
    },
    /// The credentials of the processor's process have expired. The attempt was given up.
    CredentialsExpired {
        error: String,
        given_up: GivenUp,
    },
    /// S3 does not accept the processor's credentials. The attempt was given up.
    CredentialsRefused {
        error: String,
        given_up: GivenUp,
    },
    /// The body of the chunk cannot be read now. The processor did not run.
    Unread(String),
    /// Lambda refused the invocation and would refuse it again, every chunk would meet the same error, or the body of
    /// the chunk is gone.
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
            | Self::Unread(error)
            | Self::Rejected(error)
            | Self::Unfenced(error) => Some(error),
        }
    }
}
