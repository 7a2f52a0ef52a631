use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_config::SdkConfig;
use lambda_runtime::tracing::{info, warn};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use shared::chunk::{ChunkRequest, ChunkResponse, FailedKey, Usage};
use shared::deadline;
use shared::destination::Destination;
use shared::key;
use shared::modes::{Images, Records};
use shared::record::Record;
use shared::s3::{Meter, ObjectId, Written};
use shared::uri::S3Uri;
use tokio::time::Instant;

use crate::commit;
use crate::config::{Config, MAX_CONCURRENCY};
use crate::error::Error;
use crate::event::{Created, Event, EventResponse, Ignored};
use crate::in_flight::Memory;
use crate::pace::Pace;
use crate::pipeline::{Image, Outcome, Pipeline};

/// Built once, at cold start.
pub struct App {
    pub config: Config,
    pub sdk: SdkConfig,
}

/// Handles one invocation. `deadline_ms` is since 1970, as Lambda gives it.
pub async fn handle(app: &App, event: Value, deadline_ms: u64) -> Result<Value, Error> {
    let deadline = deadline::of(deadline_ms, app.config.timeout);
    let response = match Event::parse(event)? {
        Event::Chunk(request) => serde_json::to_value(chunk(app, *request, deadline).await?),
        Event::Created(created) => serde_json::to_value(created_objects(app, created, deadline).await?),
    };
    Ok(response.expect("a response is valid JSON"))
}

async fn chunk(app: &App, request: ChunkRequest, deadline: Instant) -> Result<ChunkResponse, Error> {
    let source = S3Uri::new(&request.source_bucket, &request.source_prefix)?;
    let destination = Destination::from(request.destination);
    destination.check_apart_from(&source)?;
    check_range(request.concurrency, request.max_requests_per_second)?;

    let images: Vec<Image> = request
        .objects
        .into_iter()
        .map(|object| {
            let relative_key = key::relative(&object.key, &source.prefix).ok_or_else(|| Error::BadEvent {
                what: "chunk",
                problem: format!("key {:?} is outside the source {source}", object.key),
            })?;
            Ok(Image {
                relative_key: relative_key.to_owned(),
                id: ObjectId {
                    bucket: source.bucket.clone(),
                    key: object.key,
                    version_id: object.version_id,
                    etag: object.etag,
                    size: object.size,
                },
            })
        })
        .collect::<Result<_, Error>>()?;

    let run = Run::start(
        app,
        request.images,
        destination,
        deadline,
        request.max_requests_per_second,
    );
    let outcomes = run.pipeline.run(&images, request.concurrency).await;
    let counted = Counted::of(&images, &outcomes);
    if request.records == Records::Ndjson && !counted.records.is_empty() {
        let key = run
            .pipeline
            .destination
            .records(&request.job_id, request.chunk, request.attempt);
        match commit::chunk(&run.pipeline, &key, &counted.records).await {
            Ok(Written::Done(_)) => {}
            Ok(Written::Refused) => {
                return Err(Error::GivenUp {
                    chunk: request.chunk,
                    attempt: request.attempt.to_string(),
                });
            }
            Err(failure) => return Err(Error::Commit(failure)),
        }
    }
    let response = ChunkResponse {
        job_id: request.job_id,
        chunk: request.chunk,
        attempt: request.attempt.to_string(),
        ok: counted.records.len() as u64,
        with_exif: counted.with_exif,
        skipped: 0,
        usage: run.usage(&outcomes),
        failed: counted.failed,
        unprocessed: counted.unprocessed,
    };
    info!(
        job_id = response.job_id,
        chunk = response.chunk,
        attempt = response.attempt,
        ok = response.ok,
        with_exif = response.with_exif,
        failed = response.failed.len(),
        unprocessed = response.unprocessed.len(),
        throttled = response.usage.throttled,
        bytes_read = response.usage.bytes_read,
        elapsed_ms = response.usage.elapsed_ms,
        cpu_ms = response.usage.cpu_ms,
        "chunk processed"
    );
    Ok(response)
}

fn check_range(concurrency: usize, max_requests_per_second: Option<f64>) -> Result<(), Error> {
    let bad = |problem| Err(Error::BadEvent { what: "chunk", problem });
    if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
        return bad(format!(
            "concurrency: {concurrency} is not within 1 to {MAX_CONCURRENCY}"
        ));
    }
    match max_requests_per_second {
        Some(rate) if !(0.001..=1e6).contains(&rate) => bad(format!(
            "max_requests_per_second: {rate} is not within 0.001 to 1,000,000"
        )),
        _ => Ok(()),
    }
}

async fn created_objects(app: &App, created: Created, deadline: Instant) -> Result<EventResponse, Error> {
    let Created { objects, mut ignored } = created;
    let destination = app.config.destination.clone().ok_or(Error::NoDestination)?;
    let mut images = Vec::with_capacity(objects.len());
    for id in objects {
        match relative_key(&app.config, &destination, &id) {
            Ok(relative_key) => images.push(Image { id, relative_key }),
            Err(why) => ignored.push(Ignored {
                bucket: id.bucket,
                key: id.key,
                why,
            }),
        }
    }

    let run = Run::start(app, app.config.images, destination, deadline, None);
    let mut outcomes = run.pipeline.run(&images, app.config.concurrency).await;
    if app.config.records == Records::Ndjson {
        for outcome in &mut outcomes {
            if let Outcome::Ok(processed) = outcome
                && let Err(failure) = commit::event(&run.pipeline, &processed.record).await
            {
                *outcome = Outcome::Failed(failure);
            }
        }
    }
    let counted = Counted::of(&images, &outcomes);
    let response = EventResponse {
        ok: counted.records.len() as u64,
        with_exif: counted.with_exif,
        usage: run.usage(&outcomes),
        failed: counted.failed,
        unprocessed: counted.unprocessed,
        ignored,
    };
    info!(
        ok = response.ok,
        with_exif = response.with_exif,
        failed = response.failed.len(),
        unprocessed = response.unprocessed.len(),
        ignored = response.ignored.len(),
        elapsed_ms = response.usage.elapsed_ms,
        cpu_ms = response.usage.cpu_ms,
        "event processed"
    );
    // Nobody reads the answer to an event, so the log has to tell.
    for failed in &response.failed {
        warn!(key = failed.key, class = %failed.class, error = failed.error, "object failed");
    }
    again(&response)?;
    Ok(response)
}

/// The key relative to the source, or why the object is not for us.
fn relative_key(config: &Config, destination: &Destination, id: &ObjectId) -> Result<String, String> {
    if destination.holds(&id.bucket, &id.key) {
        return Err("it is in our own destination".to_owned());
    }
    let relative = match &config.source {
        None => Some(id.key.as_str()),
        Some(source) if source.bucket == id.bucket => key::relative(&id.key, &source.prefix),
        Some(_) => None,
    };
    let relative = relative.ok_or_else(|| {
        let source = config.source.as_ref().map(S3Uri::to_string).unwrap_or_default();
        format!("it is outside the source {source}")
    })?;
    if !config.names.accept(&id.key) {
        return Err("its name is not one of those included".to_owned());
    }
    Ok(relative.to_owned())
}

/// Fails the invocation when something may go well the next time: everything here is idempotent.
fn again(response: &EventResponse) -> Result<(), Error> {
    let passing = response.failed.iter().filter(|failed| failed.class.is_passing());
    let mut reasons = passing.map(|failed| format!("{}: {}", failed.key, failed.error)).chain(
        response
            .unprocessed
            .iter()
            .map(|key| format!("{key}: not done in time")),
    );
    match reasons.next() {
        None => Ok(()),
        Some(first) => Err(Error::TryAgain {
            count: reasons.count() + 1,
            first,
        }),
    }
}

/// One invocation, from its first request to its account.
struct Run {
    pipeline: Pipeline,
    meter: Meter,
    started: Instant,
    cpu_at_start: Duration,
}

impl Run {
    fn start(
        app: &App,
        images: Images,
        destination: Destination,
        deadline: Instant,
        max_requests_per_second: Option<f64>,
    ) -> Self {
        let meter = Meter::default();
        Self {
            pipeline: Pipeline {
                s3: meter.s3(&app.sdk),
                images,
                destination,
                memory: Memory::new(app.config.memory_mb),
                front_bytes: app.config.front_bytes,
                pace: max_requests_per_second.map(Pace::new),
                deadline,
                bytes_read: AtomicU64::new(0),
                bytes_written: AtomicU64::new(0),
            },
            meter,
            started: Instant::now(),
            cpu_at_start: cpu_time(),
        }
    }

    fn usage(&self, outcomes: &[Outcome]) -> Usage {
        let mut usage = Usage {
            requests: self.meter.requests(),
            throttled: self.meter.throttled(),
            bytes_read: self.pipeline.bytes_read.load(Relaxed),
            bytes_written: self.pipeline.bytes_written.load(Relaxed),
            elapsed_ms: millis(self.started.elapsed()),
            cpu_ms: millis(cpu_time().saturating_sub(self.cpu_at_start)),
            ..Usage::default()
        };
        for outcome in outcomes {
            if let Outcome::Ok(processed) = outcome {
                processed.measure(&mut usage.stages);
            }
        }
        usage
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// The outcomes, sorted out.
struct Counted<'a> {
    records: Vec<&'a Record>,
    with_exif: u64,
    failed: Vec<FailedKey>,
    unprocessed: Vec<String>,
}

impl<'a> Counted<'a> {
    fn of(images: &[Image], outcomes: &'a [Outcome]) -> Self {
        let mut counted = Self {
            records: Vec::with_capacity(outcomes.len()),
            with_exif: 0,
            failed: Vec::new(),
            unprocessed: Vec::new(),
        };
        for (image, outcome) in images.iter().zip(outcomes) {
            let key = || image.id.key.clone();
            match outcome {
                Outcome::Ok(processed) => {
                    counted.with_exif += u64::from(processed.record.exif.is_some());
                    counted.records.push(&processed.record);
                }
                Outcome::Failed(failure) => {
                    counted
                        .failed
                        .push(FailedKey::new(key(), failure.class, &failure.message));
                }
                Outcome::Unprocessed => counted.unprocessed.push(key()),
            }
        }
        counted
    }
}
