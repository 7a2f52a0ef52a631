//! Starts a job, or resumes an existing job that no invocation works on. For any other existing job, the response is
//! its report.

use shared::protocol::job::Report;

use super::resume::resume;
use crate::error::Error;
use crate::job::Job;
use crate::request::Request;
use crate::session::Session;
use crate::source::{Cursor, KeyRange, manifest};
use crate::store::Checkpoint;

pub async fn run(session: &Session<'_>, request: Request) -> Result<Report, Error> {
    let job = Job::listing(&request, &session.id)?;
    if let Some((checkpoint, etag)) = Checkpoint::find(&session.s3, &job.destination, &job.id).await? {
        return resume(session, &job, &request, checkpoint, etag).await;
    }
    let cursors = match &job.manifest {
        None => vec![Cursor::Keys(KeyRange::default())],
        Some(uri) => manifest::open(&session.s3, uri, &job.source).await?,
    };
    let checkpoint = Checkpoint::new(&job, request, cursors);
    session.begin(&job, checkpoint).await
}
