use lambda_runtime::Diagnostic;
use shared::failure::Failure;

/// Why a job did not start. Once it has started, everything that happens is in its report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{field}: {problem}")]
    BadRequest { field: String, problem: String },
    #[error("the source cannot be listed: {0}")]
    Source(Failure),
    #[error("the destination cannot be written: {0}")]
    Destination(Failure),
    #[error("the report of job {job_id} cannot be read: {problem}")]
    Report { job_id: String, problem: String },
}

impl Error {
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
            Error::Destination(_) => "DestinationFailed",
            Error::Report { .. } => "ReportFailed",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
