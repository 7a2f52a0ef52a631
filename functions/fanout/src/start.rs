//! Starting a job, going on with one, and handing it over to the next invocation.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_s3::Client;
use bytes::Bytes;
use lambda_runtime::tracing::{info, warn};
use serde::{Deserialize, Serialize};
use shared::destination::Destination;
use shared::failure::{Class, Failure};
use shared::job::{Report, State};
use shared::s3::{self, Meter, ObjectId};
use shared::uri::S3Uri;
use tokio::time::{Instant, sleep, timeout};

use crate::App;
use crate::checkpoint::{Checkpoint, Saved, Stale};
use crate::error::Error;
use crate::invoke::Invoker;
use crate::plan::Tries;
use crate::request::{Job, Request};
use crate::run::{Ending, Run, STOPPED, save_report};
use crate::source::{Cursor, KeyRange, Scope, Source, manifest};

/// A job that needs more invocations than this, ten days of them, does not come forward.
const GENERATIONS: u32 = 1000;

/// How long Lambda may take to accept the next invocation.
const HANDOVER_ANSWER: Duration = Duration::from_secs(3);

/// Attempts at putting the wish to stop into a checkpoint that is written all the time.
const STOPS: u32 = 100;

/// What is said of a job that has been asked to stop, and has not.
const STOPPING: &str = "asked to stop; what is in flight ends first";

const PAGE_KEYS: u16 = 1000;

/// This invocation.
pub struct Invocation {
    /// Unique, even where Lambda delivers one event twice.
    pub id: String,
    pub deadline: Instant,
}

/// What an invocation that goes on with a job is sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuation {
    pub destination: S3Uri,
    pub continue_job: String,
    pub generation: u32,
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

/// Goes on with a job that has been handed over.
pub async fn go_on(app: &App, continuation: Continuation, invocation: Invocation) -> Result<Report, Error> {
    let s3 = Meter::default().s3(&app.sdk);
    let destination = Destination::from(continuation.destination);
    let (checkpoint, etag) = Checkpoint::load(&s3, &destination, &continuation.continue_job).await?;
    // The event may come twice, or late.
    if checkpoint.generation + 1 != continuation.generation || checkpoint.state != State::Running {
        return Ok(checkpoint.report());
    }
    let job = checkpoint.request.validate(&continuation.continue_job)?;
    if checkpoint.is_leased() {
        return Ok(checkpoint.report());
    }
    take_over(app, &job, checkpoint, etag, &invocation).await
}

/// Asks a job to end early; of a job that nobody is at work on, ends it.
pub async fn stop(app: &App, request: &Request, invocation: Invocation) -> Result<Report, Error> {
    let s3 = Meter::default().s3(&app.sdk);
    let (destination, job_id) = (request.destination()?, request.named_job("job_id")?);
    for _ in 0..STOPS {
        let (mut checkpoint, etag) = Checkpoint::load(&s3, &destination, &job_id).await?;
        if checkpoint.state != State::Running {
            return ended(&s3, &checkpoint).await;
        }
        let is_leased = checkpoint.is_leased();
        let etag = if checkpoint.stop {
            Some(etag)
        } else {
            // First of all, so that whoever goes on with it meanwhile knows.
            checkpoint.stop = true;
            let saved = checkpoint.save(&s3, &destination, Some(&etag)).await;
            match saved.map_err(Error::Destination)? {
                Saved::Done(etag) | Saved::Stop(etag) => Some(etag),
                Saved::Lost => None,
            }
        };
        match etag {
            Some(_) if is_leased => {
                let mut report = checkpoint.report();
                report.reason = Some(STOPPING.to_owned());
                return Ok(report);
            }
            Some(etag) => {
                let job = checkpoint.request.validate(&job_id)?;
                return take_over(app, &job, checkpoint, etag, &invocation).await;
            }
            None => {}
        }
        sleep(Duration::from_millis(20)).await;
    }
    let busy = "its checkpoint changes too often to ask it to stop; ask again";
    Err(Error::Destination(Failure::new(Class::Internal, busy)))
}

/// How a job is.
pub async fn status(app: &App, request: &Request) -> Result<Report, Error> {
    let s3 = Meter::default().s3(&app.sdk);
    let (destination, job_id) = (request.destination()?, request.named_job("job_id")?);
    let (checkpoint, _) = Checkpoint::load(&s3, &destination, &job_id).await?;
    if checkpoint.state != State::Running {
        return ended(&s3, &checkpoint).await;
    }
    let file = ObjectId::any(&destination.bucket, destination.job(&job_id));
    let mut report = match s3::get(&s3, &file, None).await {
        Ok((_, body)) => serde_json::from_slice(&body).map_err(|error| Error::Checkpoint {
            uri: format!("s3://{}/{}", file.bucket, file.key),
            problem: error.to_string(),
        })?,
        // It is written right behind the checkpoint.
        Err(failure) if failure.class == Class::NotFound => checkpoint.report(),
        Err(failure) => return Err(Error::Destination(failure)),
    };
    if !checkpoint.is_leased() {
        let problem = "nobody is at work on it: the next invocation is on its way, or the last one was killed; if \
                       this lasts, send the request that started it again";
        report.reason = Some(problem.to_owned());
    } else if checkpoint.stop {
        report.reason = Some(STOPPING.to_owned());
    }
    Ok(report)
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

/// The report of a job that has ended. `job.json` is written again: a kill right behind the last checkpoint
/// leaves the one before.
async fn ended(s3: &Client, checkpoint: &Checkpoint) -> Result<Report, Error> {
    let report = checkpoint.report();
    save_report(s3, &report).await.map_err(Error::Destination)?;
    Ok(report)
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
    // The first page shows whether the source can be listed at all, the checkpoint whether the
    // destination can be written: both before anything is done.
    run.first_page().await.map_err(|failure| Error::listing(job, failure))?;
    if run.save_first().await.map_err(Error::Destination)? == Saved::Lost {
        // Started twice at the same time.
        let (checkpoint, _) = Checkpoint::load(&s3, &job.destination, &job.id).await?;
        return Ok(checkpoint.report());
    }
    info!(job_id = job.id, source = %job.source, destination = %job.destination.uri(), "job started");
    // On the heap, as the rest of the invocation that it is.
    Box::pin(work(app, job, run, invocation)).await
}

/// Another invocation of a job.
async fn take_over(
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
    if run.save_first().await.map_err(Error::Destination)? == Saved::Lost {
        let (checkpoint, _) = Checkpoint::load(&s3, &job.destination, &job.id).await?;
        return Ok(checkpoint.report());
    }
    info!(job_id = job.id, generation = run.state.generation, "job goes on");
    discard(&s3, job, &run.state.stale).await.map_err(Error::Destination)?;
    run.state.stale.clear();
    run.reclaim().await;
    // On the heap, as the rest of the invocation that it is.
    Box::pin(work(app, job, run, invocation)).await
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
            match s3::size(s3, &file).await {
                Ok(_) => s3::put(s3, &file.bucket, &file.key, s3::NDJSON, Bytes::new()).await?,
                Err(failure) if failure.class == Class::NotFound => break,
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

async fn work(app: &App, job: &Job, mut run: Run<'_>, invocation: &Invocation) -> Result<Report, Error> {
    let s3 = run.s3.clone();
    if run.state.stop {
        run.end(Ending::Aborted(STOPPED.to_owned()));
    }
    run.until_settled().await;
    let (ending, checkpoint) = run.finish().await?;
    match ending {
        Ending::TimeUp => {
            let Err(reason) = hand_over(app, &s3, &checkpoint, invocation.deadline).await else {
                return Ok(checkpoint.report());
            };
            let (found, etag) = Checkpoint::load(&s3, &job.destination, &job.id).await?;
            if (found.generation, &found.owner) != (checkpoint.generation, &checkpoint.owner) {
                // Somebody has gone on after all.
                return Ok(found.report());
            }
            let mut run = prepare(app, job, &s3, Meter::default(), found, Some(etag), invocation);
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
            Ok(checkpoint.report())
        }
        Ending::Completed | Ending::Aborted(_) | Ending::Broken(_) => Ok(checkpoint.report()),
    }
}

/// Starts the next invocation, trying again while there is time.
async fn hand_over(app: &App, s3: &Client, checkpoint: &Checkpoint, deadline: Instant) -> Result<(), String> {
    let generation = checkpoint.generation + 1;
    if generation > GENERATIONS {
        return Err(format!("the job is not done after {GENERATIONS} invocations of fanout"));
    }
    let payload = serde_json::to_vec(&Continuation {
        destination: checkpoint.destination.clone(),
        continue_job: checkpoint.job_id.clone(),
        generation,
    });
    let payload = Blob::new(payload.expect("a continuation is valid JSON"));
    let destination = Destination::from(checkpoint.destination.clone());
    let mut wait = Duration::from_millis(500);
    loop {
        let sent = app
            .lambda
            .invoke()
            .function_name(&app.config.function)
            .invocation_type(InvocationType::Event)
            .payload(payload.clone())
            .send();
        let problem = match timeout(HANDOVER_ANSWER, sent).await {
            Ok(Ok(_)) => {
                info!(
                    job_id = checkpoint.job_id,
                    generation, "the time is up; the next invocation goes on"
                );
                return Ok(());
            }
            Ok(Err(error)) => Failure::of(format_args!("invoking {}", app.config.function), &error).message,
            Err(_) => format!("invoking {}: no answer", app.config.function),
        };
        // The answer may be all that was lost.
        if let Ok((found, _)) = Checkpoint::load(s3, &destination, &checkpoint.job_id).await
            && found.generation >= generation
        {
            return Ok(());
        }
        if Instant::now() + wait + HANDOVER_ANSWER * 2 > deadline {
            return Err(format!(
                "the time was up, and the next invocation could not be started: {problem}"
            ));
        }
        sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
        wait *= 2;
    }
}
