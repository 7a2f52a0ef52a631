//! Handles a request to start an existing job.

use lambda_runtime::tracing::warn;
use shared::object::ETag;
use shared::protocol::job::{Report, State};

use crate::error::Error;
use crate::job::Job;
use crate::request::{BadRequest, Request};
use crate::session::Session;
use crate::store::{Checkpoint, report};

/// Takes the job over if no invocation works on it. Otherwise returns its report. The request must be for the same
/// keys.
pub async fn resume(
    session: &Session<'_>,
    job: &Job,
    request: &Request,
    checkpoint: Checkpoint,
    etag: ETag,
) -> Result<Report, Error> {
    check_same_keys(job, request, &checkpoint)?;
    let header = &checkpoint.header;
    if header.state == State::Running && !header.is_leased(session.clock()) {
        let job = Job::from_request(&header.request, &job.id)?;
        return session.take_over(&job, checkpoint, etag).await;
    }
    warn!(job_id = job.id, state = ?header.state, "the job was started before; the response is its report");
    if header.state == State::Running {
        return Ok(checkpoint.report());
    }
    Ok(report::rewrite(&session.s3, &checkpoint).await?)
}

fn check_same_keys(job: &Job, request: &Request, checkpoint: &Checkpoint) -> Result<(), BadRequest> {
    let (source, started) = (&checkpoint.header.source, &checkpoint.header.request);
    if (source, &started.manifest, &started.parent) == (&job.source, &request.manifest, &request.parent) {
        return Ok(());
    }
    let none = || "none".to_owned();
    let manifest = started.manifest.as_ref().map_or_else(none, ToString::to_string);
    let parent = started.parent.clone().unwrap_or_else(none);
    let problem = format!(
        "job {} was started for source {source}, manifest {manifest}, parent {parent}; give the same, or choose \
         another job_id",
        job.id
    );
    Err(BadRequest::new("job_id", problem))
}
