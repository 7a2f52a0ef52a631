//! Why a job's files cannot be read or written.

use shared::object::ObjectUri;
use shared::s3;

use super::conditions::ConditionsError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message names the request and its location.
    #[error("the destination cannot be used: {0}")]
    Request(#[from] s3::Error),
    #[error(
        "there is no job {job_id} in {destination}: give the job_id and the destination of the request that started \
         it; if that was an event, the job may have failed to start, and the log of fanout says why"
    )]
    NoSuchJob { job_id: String, destination: String },
    #[error(transparent)]
    Conditions(#[from] ConditionsError),
    #[error("{uri} cannot be read: {problem}")]
    Unreadable { uri: ObjectUri, problem: String },
    #[error("{uri} exists, and holds other objects: delete the folder of the job, or choose another job_id")]
    Occupied { uri: ObjectUri },
    #[error("writing a file ended early: {0}")]
    Task(String),
    #[error("job {job_id} cannot be stopped now, because its checkpoint changes too often; send the request again")]
    Busy { job_id: String },
}

impl Error {
    /// Whether a retry may succeed now. The SDK has already made all its attempts at a failed request.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Request(_)
            | Self::Conditions(_)
            | Self::NoSuchJob { .. }
            | Self::Unreadable { .. }
            | Self::Occupied { .. }
            | Self::Task(_) => false,
        }
    }
}
