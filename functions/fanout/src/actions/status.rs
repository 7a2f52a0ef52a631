//! How a job is.

use shared::protocol::job::{Report, State};
use shared::s3::{self, ErrorKind};

use crate::error::Error;
use crate::job;
use crate::request::Request;
use crate::session::Session;
use crate::store::{self, Checkpoint, report};

/// What is said of a job that has been asked to stop, and has not.
pub const STOPPING: &str = "asked to stop; what is in flight ends first";

const ABANDONED: &str = "nobody is at work on it: the next invocation is on its way, or the last one was killed; if \
                         this lasts, send the request that started it again";

pub async fn status(session: &Session<'_>, request: &Request) -> Result<Report, Error> {
    let destination = job::destination(request)?;
    let job_id = job::named_job("job_id", request.job_id.as_ref())?;
    let (checkpoint, _) = Checkpoint::load(&session.s3, &destination, &job_id).await?;
    if checkpoint.header.state != State::Running {
        return Ok(report::rewrite(&session.s3, &checkpoint).await?);
    }
    let uri = destination.job(&job_id);
    let mut report: Report = match s3::get_latest(&session.s3, &uri).await {
        Ok((_, body)) => serde_json::from_slice(&body).map_err(|error| store::Error::Unreadable {
            uri,
            problem: error.to_string(),
        })?,
        // It is written right after the checkpoint.
        Err(error) if error.kind == ErrorKind::NotFound => checkpoint.report(),
        Err(error) => return Err(store::Error::from(error).into()),
    };
    if !checkpoint.header.is_leased(session.clock()) {
        report.reason = Some(ABANDONED.to_owned());
    } else if checkpoint.header.stop_requested {
        report.reason = Some(STOPPING.to_owned());
    }
    Ok(report)
}
