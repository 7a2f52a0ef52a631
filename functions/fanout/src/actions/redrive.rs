//! Starts a job over the keys that another job, its parent, left: those that failed or were not processed.

use std::sync::Arc;

use shared::protocol::job::{Report, State};

use super::resume::resume;
use crate::chunk::{Chunk, Tries};
use crate::error::Error;
use crate::job::{self, Job};
use crate::request::{BadRequest, Request};
use crate::session::Session;
use crate::source::{Cursor, manifest};
use crate::store::Checkpoint;

/// Fields that the request leaves out come from the parent. The environment supplies only the destination, to find the
/// parent.
pub async fn redrive(session: &Session<'_>, request: Request, request_id: &str) -> Result<Report, Error> {
    if request.manifest.is_some() {
        let problem = "a redrive takes its keys from its parent; leave manifest out";
        return Err(BadRequest::new("manifest", problem).into());
    }
    let given = request.clone().or(&session.app.config.defaults);
    let destination = job::destination(&given)?;
    let parent_id = job::named_job("parent", given.parent.as_ref())?;
    let (parent, _) = Checkpoint::load(&session.s3, &destination, &parent_id).await?;
    if parent.header.state == State::Running {
        let problem = format!(
            "job {parent_id} still runs; wait until it ends, or stop it; if fanout was killed, send the request that \
             started the job again"
        );
        return Err(BadRequest::new("parent", problem).into());
    }
    let mut request = Request {
        job_id: request.job_id.clone().or_else(|| Some(request_id.to_owned())),
        parent: Some(parent_id.clone()),
        ..request
    }
    .or(&parent.header.request);
    request.action = None;
    let job = Job::from_request(&request, &session.id)?;
    if job.source != parent.header.source || job.destination != destination {
        let problem = format!(
            "a redrive has the source and destination of its parent, {} and {}; give these, or leave both out",
            parent.header.source, parent.header.destination
        );
        return Err(BadRequest::new("source", problem).into());
    }
    if let Some((checkpoint, etag)) = Checkpoint::find(&session.s3, &job.destination, &job.id).await? {
        return resume(session, &job, &request, checkpoint, etag).await;
    }
    let failed = destination.failed_folder(&parent_id);
    let cursors = manifest::files(&session.s3, &failed).await;
    let cursors = cursors.map_err(|error| Error::Source(error.into()))?;
    session.begin(&job, remainder(&job, request, cursors, parent)).await
}

/// The first checkpoint of a redrive: the parent's lists of failed keys, its cursors and its waiting chunks.
fn remainder(job: &Job, request: Request, mut cursors: Vec<Cursor>, parent: Checkpoint) -> Checkpoint {
    cursors.extend(parent.cursors);
    let mut checkpoint = Checkpoint::new(job, request, cursors);
    checkpoint.counters.listed = parent.queue.iter().map(|chunk| chunk.objects.len() as u64).sum();
    checkpoint.counters.chunks = parent.queue.len() as u64;
    let chunks = (0..).zip(parent.queue).map(|(number, chunk)| Chunk {
        number,
        tries: Tries::default(),
        ..Arc::unwrap_or_clone(chunk)
    });
    checkpoint.queue = chunks.map(Arc::new).collect();
    checkpoint
}
