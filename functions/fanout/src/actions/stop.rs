//! Asks a job to end early. Ends the job itself if no invocation works on it.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use shared::destination::Destination;
use shared::protocol::job::{Report, State};

use super::status::STOPPING;
use crate::error::Error;
use crate::job::{self, Job};
use crate::request::Request;
use crate::session::Session;
use crate::store::{self, Checkpoint, Found, Saved, report};

/// The job's own invocation writes the checkpoint often, so the write of `stop` may need many tries.
const BACKOFF: ConstantBuilder = ConstantBuilder::new()
    .with_delay(Duration::from_millis(20))
    .with_max_times(99)
    .with_jitter();

pub async fn stop(session: &Session<'_>, request: &Request) -> Result<Report, Error> {
    let destination = job::destination(request)?;
    let job_id = job::named_job("job_id", request.job_id.as_ref())?;
    let found = (|| request_stop(session, &destination, &job_id))
        .retry(BACKOFF)
        .when(store::Error::is_retryable)
        .await?;
    let header = &found.checkpoint.header;
    if header.state != State::Running {
        return Ok(report::rewrite(&session.s3, &found.checkpoint).await?);
    }
    if found.is_leased(session.s3_time()) {
        let mut report = found.checkpoint.report();
        report.reason = Some(STOPPING.to_owned());
        return Ok(report);
    }
    let job = Job::from_request(&header.request, &job_id)?;
    Box::pin(session.take_over(&job, found)).await
}

/// Sets the flag to stop in the checkpoint of a running job, for the invocation that works on the job or continues it.
async fn request_stop(session: &Session<'_>, destination: &Destination, job_id: &str) -> Result<Found, store::Error> {
    let mut found = Checkpoint::load(&session.s3, destination, job_id).await?;
    let header = &mut found.checkpoint.header;
    if header.state != State::Running || header.stop_requested {
        return Ok(found);
    }
    header.stop_requested = true;
    match found
        .checkpoint
        .save(&session.s3, destination, Some(&found.etag))
        .await?
    {
        Saved::Written(etag) | Saved::StopRequested(etag) => Ok(Found { etag, ..found }),
        Saved::LeaseLost => Err(store::Error::Busy {
            job_id: job_id.to_owned(),
        }),
    }
}
