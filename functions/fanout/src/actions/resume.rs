//! Handles a request to start an existing job.

use lambda_runtime::tracing::warn;
use shared::protocol::job::{Report, State};

use crate::error::Error;
use crate::job::Job;
use crate::request::{BadRequest, Request};
use crate::session::Session;
use crate::store::{Checkpoint, Found, report};

/// Takes the result of a job's beginning. If the job existed already, resumes it.
pub async fn or_resume(
    session: &Session<'_>,
    job: &Job,
    request: &Request,
    begun: Result<Option<Report>, Error>,
) -> Result<Report, Error> {
    let failed = match begun {
        Ok(Some(report)) => return Ok(report),
        Ok(None) => None,
        // An existing job need not have a source that can still be listed.
        Err(error @ (Error::Source(_) | Error::Manifest(_))) => Some(error),
        Err(error) => return Err(error),
    };
    match (Checkpoint::load(&session.s3, &job.destination, &job.id).await, failed) {
        (Ok(found), _) => Box::pin(resume(session, job, request, found)).await,
        (Err(_), Some(failed)) => Err(failed),
        (Err(error), None) => Err(error.into()),
    }
}

/// Takes the job over if no invocation works on it. Otherwise returns its report. The request must be for the same
/// keys.
async fn resume(session: &Session<'_>, job: &Job, request: &Request, found: Found) -> Result<Report, Error> {
    let header = &found.checkpoint.header;
    check_same_keys(job, request, &found.checkpoint)?;
    if header.state == State::Running && !found.is_leased(session.s3_time()) {
        let job = Job::from_request(&header.request, &job.id)?;
        return Box::pin(session.take_over(&job, found)).await;
    }
    warn!(state = ?header.state, "the job was started before; the response is its report");
    let mut report = if header.state == State::Running {
        found.checkpoint.report()
    } else {
        session.delete_schedule(&job.destination, &job.id).await;
        report::rewrite(&session.s3, &found.checkpoint).await?
    };
    let differences = request.differences(&header.request);
    if !differences.is_empty() {
        report.note = Some(format!(
            "nothing was started: job {} exists with other settings ({}), and this is its report; for a new job, choose \
             another job_id",
            job.id,
            differences.join(", ")
        ));
    }
    Ok(report)
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
