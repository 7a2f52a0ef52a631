//! Asks a job to end early. Ends the job itself if no invocation works on it.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use shared::destination::Destination;
use shared::object::ETag;
use shared::protocol::job::{Report, State};

use super::status::STOPPING;
use crate::error::Error;
use crate::job::{self, Job};
use crate::request::Request;
use crate::session::Session;
use crate::store::{self, Checkpoint, Saved, report};

/// The job's own invocation writes the checkpoint often, so the write of `stop` may need many tries.
const BACKOFF: ConstantBuilder = ConstantBuilder::new()
    .with_delay(Duration::from_millis(20))
    .with_max_times(99)
    .with_jitter();

pub async fn stop(session: &Session<'_>, request: &Request) -> Result<Report, Error> {
    let destination = job::destination(request)?;
    let job_id = job::named_job("job_id", request.job_id.as_ref())?;
    let (checkpoint, etag) = (|| request_stop(session, &destination, &job_id))
        .retry(BACKOFF)
        .when(store::Error::is_retryable)
        .await?;
    if checkpoint.header.state != State::Running {
        return Ok(report::rewrite(&session.s3, &checkpoint).await?);
    }
    if checkpoint.header.is_leased(session.clock()) {
        let mut report = checkpoint.report();
        report.reason = Some(STOPPING.to_owned());
        return Ok(report);
    }
    let job = Job::from_request(&checkpoint.header.request, &job_id)?;
    session.take_over(&job, checkpoint, etag).await
}

/// Sets the flag to stop in the checkpoint of a running job, for the invocation that works on the job or continues it.
async fn request_stop(
    session: &Session<'_>,
    destination: &Destination,
    job_id: &str,
) -> Result<(Checkpoint, ETag), store::Error> {
    let (mut checkpoint, etag) = Checkpoint::load(&session.s3, destination, job_id).await?;
    if checkpoint.header.state != State::Running || checkpoint.header.stop_requested {
        return Ok((checkpoint, etag));
    }
    checkpoint.header.stop_requested = true;
    match checkpoint.save(&session.s3, destination, Some(&etag)).await? {
        Saved::Written(etag) | Saved::StopRequested(etag) => Ok((checkpoint, etag)),
        Saved::LeaseLost => Err(store::Error::Busy {
            job_id: job_id.to_owned(),
        }),
    }
}
