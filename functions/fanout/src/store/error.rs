//! Why a job's files cannot be read or written.

use shared::object::ObjectUri;
use shared::s3;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// With the request and its location in the message.
    #[error("the destination cannot be used: {0}")]
    Request(#[from] s3::Error),
    #[error(
        "there is no job {job_id} below {destination}: give the job_id and the destination it was started with; if it was \
         started as an event and could not begin, the log of fanout says why"
    )]
    NoSuchJob { job_id: String, destination: String },
    #[error("{uri} cannot be read: {problem}")]
    Unreadable { uri: ObjectUri, problem: String },
    #[error("the checkpoint of job {job_id} changes too often to ask it to stop; ask again")]
    Busy { job_id: String },
}

impl Error {
    /// Whether the same may well succeed at once. A request that failed has had all the attempts that the SDK
    /// makes.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Request(_) | Self::NoSuchJob { .. } | Self::Unreadable { .. } => false,
        }
    }
}
