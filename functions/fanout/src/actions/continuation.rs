//! Continues a job that an earlier invocation has handed over, or whose invocation has died.

use serde_json::Value;
use shared::destination::Destination;
use shared::logs;
use shared::protocol::job::{Report, State};

use crate::error::Error;
use crate::job::Job;
use crate::request::BadRequest;
use crate::session::Session;
use crate::session::hand_over::Continuation;
use crate::store::{self, Checkpoint};

/// Whether fanout or the schedule of a job sent this request.
pub fn is_continuation(request: &Value) -> bool {
    request.get("continue_job").is_some()
}

/// Takes the job over if no invocation works on it. Otherwise returns its report.
pub async fn continue_job(session: &Session<'_>, request: Value) -> Result<Report, Error> {
    let continuation: Continuation = serde_path_to_error::deserialize(request)
        .map_err(|error| BadRequest::new(&error.path().to_string(), error.inner()))?;
    let destination = Destination::from(continuation.destination);
    let job_id = &continuation.continue_job;
    logs::belongs_to_job(job_id);
    let found = match Checkpoint::load(&session.s3, &destination, job_id).await {
        // It did not even begin, or only a person can help.
        Err(error @ (store::Error::NoSuchJob { .. } | store::Error::Unreadable { .. })) => {
            session.delete_schedule(&destination, job_id).await;
            return Err(error.into());
        }
        found => found?,
    };
    let header = &found.checkpoint.header;
    if header.state != State::Running {
        session.delete_schedule(&destination, job_id).await;
        return Ok(found.checkpoint.report());
    }
    // Lambda may deliver the event twice, or late, and the schedule sends it every minute.
    if found.is_leased(session.s3_time()) {
        return Ok(found.checkpoint.report());
    }
    let job = Job::from_request(&header.request, job_id)?;
    Box::pin(session.take_over(&job, found)).await
}
