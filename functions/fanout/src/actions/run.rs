//! Starts a job, or resumes an existing job that no invocation works on. For any other existing job, the response is
//! its report.

use shared::protocol::job::Report;

use super::resume::or_resume;
use crate::error::Error;
use crate::job::Job;
use crate::request::Request;
use crate::session::Session;
use crate::source::{Cursor, KeyRange, manifest};
use crate::store::Checkpoint;

pub async fn run(session: &Session<'_>, request: Request) -> Result<Report, Error> {
    let job = Job::listing(&request, &session.id)?;
    session.app.config.check_parallel(job.parallel)?;
    let begun = Box::pin(begin(session, &job, &request)).await;
    or_resume(session, &job, &request, begun).await
}

async fn begin(session: &Session<'_>, job: &Job, request: &Request) -> Result<Option<Report>, Error> {
    let cursors = match &job.manifest {
        None => vec![Cursor::Keys(KeyRange::default())],
        Some(uri) => manifest::open(&session.s3, uri, &job.source).await?,
    };
    session.begin(job, Checkpoint::new(job, request.clone(), cursors)).await
}
