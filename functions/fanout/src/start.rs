//! Starting a job, or going on with one after a kill.

use std::sync::Arc;

use aws_sdk_s3::Client;
use bytes::Bytes;
use lambda_runtime::tracing::{info, warn};
use shared::failure::{Class, Failure};
use shared::job::{Report, State};
use shared::s3::{self, Meter, ObjectId};
use shared::uri::S3Uri;
use tokio::time::Instant;

use crate::App;
use crate::checkpoint::{Checkpoint, Saved, Stale};
use crate::error::Error;
use crate::hand_over::hand_over;
use crate::invoke::Invoker;
use crate::plan::Tries;
use crate::request::{Job, Request};
use crate::run::{Ending, Run, STOPPED};
use crate::source::{Cursor, KeyRange, Scope, Source, manifest};
use crate::status::ended;

/// The most that S3 gives.
const PAGE_KEYS: u16 = 1000;

/// This invocation.
pub struct Invocation {
    /// Unique, even where Lambda delivers one event twice.
    pub id: String,
    pub deadline: Instant,
}

/// Starts a job, or goes on with it if nobody else does. Of a job that is at work or has ended, the
/// report.
pub async fn run(app: &App, request: Request, invocation: Invocation) -> Result<Report, Error> {
    let job = request.validate_listing(&invocation.id)?;
    let meter = Meter::default();
    let s3 = meter.s3(&app.sdk);
    if let Some((checkpoint, etag)) = Checkpoint::find(&s3, &job.destination, &job.id).await? {
        return go_on_as_asked(app, &job, &request, checkpoint, etag, &invocation).await;
    }
    let cursors = match &job.manifest {
        None => vec![Cursor::Keys(KeyRange::default())],
        Some(uri) => manifest::open(&s3, uri, &job.source).await.map_err(Error::Manifest)?,
    };
    let checkpoint = Checkpoint::new(&job, request, cursors);
    begin(app, &job, meter, checkpoint, &invocation).await
}

/// Starts a job of the keys of another that failed or were not processed.
pub async fn redrive(app: &App, request: Request, request_id: &str, invocation: Invocation) -> Result<Report, Error> {
    let meter = Meter::default();
    let s3 = meter.s3(&app.sdk);
    if request.manifest.is_some() {
        return Err(Error::bad(
            "manifest",
            "a redrive takes its keys from its parent; leave it out",
        ));
    }
    let given = request.clone().or(&app.config.defaults);
    let (destination, parent_id) = (given.destination()?, given.named_job("parent")?);
    let (parent, _) = Checkpoint::load(&s3, &destination, &parent_id).await?;
    if parent.state == State::Running {
        let problem = format!("job {parent_id} is still running; if its fanout was killed, run it again to go on");
        return Err(Error::bad("parent", problem));
    }
    let mut request = Request {
        job_id: request.job_id.clone().or_else(|| Some(request_id.to_owned())),
        parent: Some(parent_id.clone()),
        ..request
    }
    .or(&parent.request);
    request.action = None;
    let job = request.validate(&invocation.id)?;
    if job.source != parent.source || job.destination != destination {
        let problem = format!(
            "a redrive has the source and destination of its parent, {} and {}",
            parent.source, parent.destination
        );
        return Err(Error::bad("source", problem));
    }
    if let Some((checkpoint, etag)) = Checkpoint::find(&s3, &job.destination, &job.id).await? {
        return go_on_as_asked(app, &job, &request, checkpoint, etag, &invocation).await;
    }
    let failed = S3Uri {
        bucket: destination.bucket.clone(),
        prefix: destination.failed_folder(&parent_id),
    };
    let mut cursors = manifest::files(&s3, &failed).await.map_err(Error::Source)?;
    cursors.extend(parent.cursors);
    let mut checkpoint = Checkpoint::new(&job, request, cursors);
    checkpoint.counters.listed = parent.queue.iter().map(|chunk| chunk.objects.len() as u64).sum();
    for (number, chunk) in (0..).zip(parent.queue) {
        let mut chunk = Arc::unwrap_or_clone(chunk);
        chunk.number = number;
        chunk.tries = Tries::default();
        checkpoint.queue.push(Arc::new(chunk));
    }
    checkpoint.counters.chunks = checkpoint.queue.len() as u64;
    begin(app, &job, meter, checkpoint, &invocation).await
}

/// A request for a job that there is already.
async fn go_on_as_asked(
    app: &App,
    job: &Job,
    request: &Request,
    checkpoint: Checkpoint,
    etag: String,
    invocation: &Invocation,
) -> Result<Report, Error> {
    let known = (
        &checkpoint.source,
        &checkpoint.request.manifest,
        &checkpoint.request.parent,
    );
    if known != (&job.source, &request.manifest, &request.parent) {
        let none = || "none".to_owned();
        let problem = format!(
            "job {} was started for source {}, manifest {}, parent {}; ask for the same, or choose another job_id",
            job.id,
            checkpoint.source,
            checkpoint
                .request
                .manifest
                .as_ref()
                .map_or_else(none, ToString::to_string),
            checkpoint.request.parent.clone().unwrap_or_else(none),
        );
        return Err(Error::bad("job_id", problem));
    }
    if checkpoint.state == State::Running && !checkpoint.is_leased() {
        let job = checkpoint.request.validate(&job.id)?;
        return take_over(app, &job, checkpoint, etag, invocation).await;
    }
    warn!(job_id = job.id, state = ?checkpoint.state, "the job has been started before; this is its report");
    if checkpoint.state == State::Running {
        return Ok(checkpoint.report());
    }
    let s3 = Meter::default().s3(&app.sdk);
    ended(&s3, &checkpoint).await
}

/// The first invocation of a job.
async fn begin(
    app: &App,
    job: &Job,
    meter: Meter,
    mut checkpoint: Checkpoint,
    invocation: &Invocation,
) -> Result<Report, Error> {
    let s3 = meter.s3(&app.sdk);
    checkpoint.take_over(&invocation.id, invocation.deadline);
    let mut run = prepare(app, job, &s3, meter, checkpoint, None, invocation);
    // The first page shows whether the source can be listed at all, the first checkpoint whether the
    // destination can be written: both before anything is done.
    run.first_page().await.map_err(|failure| Error::listing(job, failure))?;
    info!(job_id = job.id, source = %job.source, destination = %job.destination.uri(), "job begins");
    // A large future, so on the heap.
    Box::pin(work(app, job, &s3, run, invocation)).await
}

/// Another invocation of a job.
pub async fn take_over(
    app: &App,
    job: &Job,
    mut checkpoint: Checkpoint,
    etag: String,
    invocation: &Invocation,
) -> Result<Report, Error> {
    let meter = Meter::default();
    let s3 = meter.s3(&app.sdk);
    checkpoint.take_over(&invocation.id, invocation.deadline);
    let mut run = prepare(app, job, &s3, meter, checkpoint, Some(etag), invocation);
    if run.claim().await.map_err(Error::Destination)? == Saved::Lost {
        let (checkpoint, _) = Checkpoint::load(&s3, &job.destination, &job.id).await?;
        return Ok(checkpoint.report());
    }
    info!(job_id = job.id, generation = run.state.generation, "job goes on");
    discard(&s3, job, &run.state.stale).await.map_err(Error::Destination)?;
    run.state.stale.clear();
    run.reclaim().await;
    // A large future, so on the heap.
    Box::pin(work(app, job, &s3, run, invocation)).await
}

fn prepare<'a>(
    app: &'a App,
    job: &'a Job,
    s3: &'a Client,
    meter: Meter,
    checkpoint: Checkpoint,
    etag: Option<String>,
    invocation: &Invocation,
) -> Run<'a> {
    let invoker = Invoker {
        lambda: &app.lambda,
        s3,
        processor: &app.config.processor,
        job,
    };
    let source = Source::new(s3.clone(), scope(job), checkpoint.cursors.clone());
    Run::new(invoker, meter, checkpoint, etag, source, invocation.deadline)
}

pub fn scope(job: &Job) -> Scope {
    Scope {
        source: job.source.clone(),
        outputs: job.skip_current.then(|| job.destination.clone()),
        page_keys: PAGE_KEYS,
    }
}

/// Empties the files of failed keys that killed invocations wrote and did not come to count: their keys
/// are done again, and stand in other files then.
async fn discard(s3: &Client, job: &Job, stale: &[Stale]) -> Result<(), Failure> {
    for Stale { generation, from } in stale {
        for number in *from.. {
            let key = job.destination.failed(&job.id, *generation, number);
            let file = ObjectId::any(&job.destination.bucket, key);
            match s3::head(s3, &file).await {
                Ok(_) => s3::put(s3, &file.bucket, &file.key, s3::NDJSON, Bytes::new()).await?,
                Err(failure) if failure.class == Class::NotFound => break,
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

/// Works on a job, and hands it over if its time is up; if nobody takes it, ends it.
async fn work(app: &App, job: &Job, s3: &Client, mut run: Run<'_>, invocation: &Invocation) -> Result<Report, Error> {
    if run.state.stop {
        run.end(Ending::Aborted(STOPPED.to_owned()));
    }
    run.until_settled().await;
    let (ending, checkpoint) = run.finish().await?;
    match ending {
        Ending::TimeUp => {
            let Err(reason) = hand_over(app, s3, &checkpoint, invocation.deadline).await else {
                return Ok(checkpoint.report());
            };
            let (found, etag) = Checkpoint::load(s3, &job.destination, &job.id).await?;
            if (found.generation, &found.owner) != (checkpoint.generation, &checkpoint.owner) {
                // Somebody has gone on after all.
                return Ok(found.report());
            }
            let mut run = prepare(app, job, s3, Meter::default(), found, Some(etag), invocation);
            run.reclaim().await;
            run.end(Ending::Aborted(reason));
            let (_, checkpoint) = run.finish().await?;
            Ok(checkpoint.report())
        }
        Ending::Lost => {
            warn!(
                job_id = job.id,
                "another invocation is at work on the job; this one ends"
            );
            let (found, _) = Checkpoint::load(s3, &job.destination, &job.id).await?;
            Ok(found.report())
        }
        Ending::Completed | Ending::Aborted(_) | Ending::Broken(_) => Ok(checkpoint.report()),
    }
}
