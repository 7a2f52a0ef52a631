use lambda_runtime::Diagnostic;
use shared::failure::Failure;

use crate::request::Job;

/// Why a request could not be answered. Once a job has started, what happens is in its report; only
/// when that can no longer be written is it an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{field}: {problem}")]
    BadRequest { field: String, problem: String },
    #[error("the source cannot be listed: {0}")]
    Source(Failure),
    #[error("manifest: {0}")]
    Manifest(String),
    #[error("the destination cannot be used: {0}")]
    Destination(Failure),
    #[error(
        "there is no job {job_id} below {destination}: give the job_id and the destination it was started with; if it was \
         started as an event and could not begin, the log of fanout says why"
    )]
    NoSuchJob { job_id: String, destination: String },
    #[error("{uri} cannot be read: {problem}")]
    Checkpoint { uri: String, problem: String },
}

impl Error {
    /// Why a job's keys do not come.
    pub(crate) fn listing(job: &Job, failure: Failure) -> Self {
        match job.manifest {
            Some(_) => Self::Manifest(failure.message),
            None => Self::Source(failure),
        }
    }

    pub fn bad(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::BadRequest {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match error {
            Error::BadRequest { .. } => "BadRequest",
            Error::Source(_) => "SourceFailed",
            Error::Manifest(_) => "ManifestFailed",
            Error::Destination(_) => "DestinationFailed",
            Error::NoSuchJob { .. } => "NoSuchJob",
            Error::Checkpoint { .. } => "CheckpointFailed",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
