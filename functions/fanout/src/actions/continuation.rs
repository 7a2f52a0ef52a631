//! Continues a job that an earlier invocation has handed over.

use serde_json::Value;
use shared::destination::Destination;
use shared::protocol::job::{Report, State};

use crate::error::Error;
use crate::job::Job;
use crate::request::BadRequest;
use crate::session::Session;
use crate::session::hand_over::Continuation;
use crate::store::Checkpoint;

/// Whether fanout sent this request to itself.
pub fn is_continuation(request: &Value) -> bool {
    request.get("continue_job").is_some()
}

/// Takes the job over if it waits for this invocation. Otherwise returns its report.
pub async fn continue_job(session: &Session<'_>, request: Value) -> Result<Report, Error> {
    let continuation: Continuation = serde_path_to_error::deserialize(request)
        .map_err(|error| BadRequest::new(&error.path().to_string(), error.inner()))?;
    let destination = Destination::from(continuation.destination);
    let (checkpoint, etag) = Checkpoint::load(&session.s3, &destination, &continuation.continue_job).await?;
    let header = &checkpoint.header;
    // Lambda may deliver the event twice, or late.
    let is_next = header.generation + 1 == continuation.generation && header.state == State::Running;
    if !is_next || header.is_leased(session.clock()) {
        return Ok(checkpoint.report());
    }
    let job = Job::from_request(&header.request, &continuation.continue_job)?;
    session.take_over(&job, checkpoint, etag).await
}
