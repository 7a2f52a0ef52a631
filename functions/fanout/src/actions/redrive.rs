//! Starts a job over the keys that another job, its parent, left: those that failed or were not processed.

use std::sync::Arc;

use shared::protocol::job::{Report, State};

use super::resume::or_resume;
use crate::chunk::{Chunk, Content, Tries};
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
    let parent = Checkpoint::load(&session.s3, &destination, &parent_id)
        .await?
        .checkpoint;
    if parent.header.state == State::Running {
        let problem = format!(
            "job {parent_id} still runs; wait until it ends, or stop it; if fanout was killed, send the request that \
             started the job again"
        );
        return Err(BadRequest::new("parent", problem).into());
    }
    let (planned, names_destination) = (request.planned, request.destination.is_some());
    let mut request = Request {
        job_id: request.job_id.clone().or_else(|| Some(request_id.to_owned())),
        parent: Some(parent_id.clone()),
        ..request
    }
    .or(&parent.header.request);
    // What was planned for the parent says nothing about the rest.
    (request.action, request.planned) = (None, planned);
    let job = Job::from_request(&request, &session.id)?;
    session.app.config.check_parallel(job.parallel)?;
    let is_elsewhere = job.destination.records_uri() != destination.records_uri()
        || names_destination && job.destination.uri() != destination.uri();
    if job.source != parent.header.source || is_elsewhere {
        let problem = format!(
            "a redrive has the source and destination of its parent, {} and {}, with its records in {}; give these, or leave \
             them out",
            parent.header.source,
            parent.header.destination,
            parent.header.output().records_uri()
        );
        return Err(BadRequest::new("source", problem).into());
    }
    let begun = Box::pin(begin(session, &job, &request, parent)).await;
    or_resume(session, &job, &request, begun).await
}

async fn begin(
    session: &Session<'_>,
    job: &Job,
    request: &Request,
    parent: Checkpoint,
) -> Result<Option<Report>, Error> {
    let failed = job.destination.failed_folder(&parent.header.job_id);
    let cursors = manifest::files(&session.s3, &failed).await;
    let cursors = cursors.map_err(|error| Error::Source(error.into()))?;
    session
        .begin(job, remainder(job, request.clone(), cursors, parent))
        .await
}

/// The first checkpoint of a redrive: the parent's lists of failed keys, its cursors and its waiting chunks. If the
/// parent's store ignored conditions, it also has attempts that could not be given up.
fn remainder(job: &Job, request: Request, mut cursors: Vec<Cursor>, parent: Checkpoint) -> Checkpoint {
    cursors.extend(parent.cursors);
    let mut checkpoint = Checkpoint::new(job, request, cursors);
    let in_flight = parent.in_flight.into_iter().map(|attempt| attempt.chunk);
    let waiting: Vec<_> = parent.queue.into_iter().chain(in_flight).collect();
    checkpoint.counters.listed = waiting.iter().map(|chunk| chunk.keys as u64).sum();
    checkpoint.counters.chunks = waiting.len() as u64;
    let parent_id = &parent.header.job_id;
    let chunks = (0..).zip(&waiting).map(|(number, chunk)| {
        let mut chunk = Chunk {
            number,
            tries: Tries::default(),
            ..Chunk::clone(chunk)
        };
        if let Content::File { body, .. } = &mut chunk.content {
            // A parent may itself be a redrive, with bodies of its own parent.
            body.job_id.get_or_insert_with(|| parent_id.clone());
        }
        chunk
    });
    checkpoint.queue = chunks.map(Arc::new).collect();
    checkpoint
}
