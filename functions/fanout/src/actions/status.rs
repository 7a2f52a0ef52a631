//! Responds with the report of a job.

use lambda_runtime::tracing::warn;
use shared::protocol::job::{Report, State};
use shared::s3::{self, ErrorKind};

use crate::error::Error;
use crate::job;
use crate::request::Request;
use crate::session::Session;
use crate::store::{self, Checkpoint, report};

/// The reason in the report of a job that was asked to stop and still runs.
pub const STOPPING: &str = "asked to stop; the chunks in flight finish first";

const ABANDONED: &str = "no invocation works on the job: the next one is starting, or the last one was killed; on Lambda, \
                         the job goes on within three minutes; elsewhere, send the request that started it again";

pub async fn status(session: &Session<'_>, request: &Request) -> Result<Report, Error> {
    let destination = job::destination(request)?;
    let job_id = job::named_job("job_id", request.job_id.as_ref())?;
    let found = Checkpoint::load(&session.s3, &destination, &job_id).await?;
    let checkpoint = &found.checkpoint;
    if checkpoint.header.state != State::Running {
        return Ok(report::rewrite(&session.s3, checkpoint).await?);
    }
    let uri = destination.job(&job_id);
    let mut report: Report = match s3::get_latest(&session.s3, &uri).await {
        Ok((_, body)) => serde_json::from_slice(&body).unwrap_or_else(|error| {
            // The job writes it again soon.
            warn!(%uri, %error, "the report cannot be read, so the response comes from the checkpoint");
            checkpoint.report()
        }),
        // It is written only after the checkpoint.
        Err(error) if error.kind == ErrorKind::NotFound => checkpoint.report(),
        Err(error) => return Err(store::Error::from(error).into()),
    };
    if !found.is_leased(session.s3_time()) {
        report.reason = Some(ABANDONED.to_owned());
    } else if checkpoint.header.stop_requested {
        report.reason = Some(STOPPING.to_owned());
    }
    Ok(report)
}
