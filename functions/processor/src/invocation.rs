//! One invocation: processes its images, commits their records, and reports what it used.

use std::sync::OnceLock;
use std::time::Duration;

use shared::bottleneck::{Measurements, vcpu_time, vcpus};
use shared::protocol::diagnosis::Diagnosis;
use shared::protocol::found::Tally;
use shared::protocol::usage::Usage;
use shared::s3::{ConditionalWrite, Meter};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::intake::Intake;
use crate::limits::Rate;
use crate::limits::deadline::Schedule;
use crate::outcome::Outcome;
use crate::pipeline::{ImageOutcome, Pipeline, Traffic};
use crate::records::{self, BatchFile, ChunkFile, RecordSink};
use crate::settings::Settings;

/// What an invocation did and used.
#[derive(Debug)]
pub struct Report {
    /// One for each entry, in the same order.
    pub outcomes: Vec<Outcome>,
    /// What the records of the images that are `ok` say.
    pub tally: Tally,
    pub usage: Usage,
    /// Pixels of the images of which renditions were made.
    pub pixels: u64,
    /// What limited the invocation; `None` if no image was processed.
    pub diagnosis: Option<Diagnosis>,
    /// The number of images in flight that this process has settled at.
    pub concurrency: usize,
}

/// Processes the images of an event or a chunk. For a chunk or a batch, also writes the record file.
pub async fn process(app: &App, settings: Settings, intake: &Intake, deadline: Instant) -> Result<Report, Error> {
    let meter = Meter::default();
    let usage = UsageAtStart::now(app);
    let concurrency = settings.concurrency;
    let max_requests_per_second = settings.max_requests_per_second;

    app.limits.concurrency.start_from(concurrency);
    let pipeline = Pipeline {
        clients: app.clients(settings.request_payer),
        limits: &app.limits,
        clock: &app.clock,
        front_bytes: app.config.front_bytes,
        max_record_bytes: app.config.max_record_bytes,
        rate: max_requests_per_second.map(|rate| Rate::new(&app.clock, rate)),
        schedule: Schedule::new(app.clock.now(), deadline, app.config.image_timeout),
        settings,
        traffic: Traffic::default(),
        systemic: OnceLock::new(),
    };
    // Boxed, because the future of all images is large and would be copied into each future around it.
    let work = Box::pin(async {
        let outcomes = pipeline.run(&intake.images).await;
        if let Some(failure) = pipeline.systemic.get() {
            return Err(Error::Systemic(failure.clone()));
        }
        match &pipeline.settings.sink {
            RecordSink::Chunk(file) => commit(&pipeline, &meter, file, &outcomes).await?,
            RecordSink::Batch(file) => add(&pipeline, file, &outcomes).await?,
            RecordSink::None | RecordSink::Event | RecordSink::Sidecar | RecordSink::Annotation => {}
        }
        Ok::<_, Error>(outcomes)
    });
    let outcomes = meter.scope(work).await?;

    let usage = usage.until_now(app, &meter, &pipeline, &outcomes);
    let measurements = Measurements {
        usage: &usage,
        concurrency,
        max_requests_per_second,
        job: None,
    };
    Ok(Report {
        tally: tally(intake, &outcomes),
        diagnosis: measurements.diagnosis(),
        pixels: pipeline.traffic.pixels(),
        usage,
        outcomes: intake.outcomes(outcomes.into_iter().map(Outcome::from)),
        concurrency: app.limits.concurrency.target(),
    })
}

fn tally(intake: &Intake, outcomes: &[ImageOutcome]) -> Tally {
    let mut tally = Tally::default();
    for (image, outcome) in intake.images.iter().zip(outcomes) {
        if let ImageOutcome::Ok(processed) = outcome {
            tally.add(&image.object.key, &processed.excerpt);
        }
    }
    tally
}

/// Writes the record file of a chunk, if any image is `ok`.
async fn commit(
    pipeline: &Pipeline<'_>,
    meter: &Meter,
    file: &ChunkFile,
    outcomes: &[ImageOutcome],
) -> Result<(), Error> {
    let records: Vec<&[u8]> = outcomes.iter().filter_map(ImageOutcome::record).collect();
    if records.is_empty() {
        return Ok(());
    }
    let body = records::chunk_body(&records);
    pipeline.traffic.add_written(body.len() as u64);
    let puts = meter.requests().put;
    match records::commit(&pipeline.clients.writes, &pipeline.settings.destination, file, body).await {
        Ok(ConditionalWrite::Written(_)) => Ok(()),
        Ok(ConditionalWrite::ConditionFailed) => Err(Error::AttemptGivenUp {
            chunk: file.chunk,
            attempt: file.attempt.to_string(),
        }),
        // The last try failed. An earlier one may have written the file, although its response was lost.
        Err(error) if meter.requests().put > puts + 1 => Err(Error::CommitUnknown(error)),
        Err(error) => Err(Error::Commit(error)),
    }
}

/// Adds the records of all images that are `ok` to the file of their batch.
async fn add(pipeline: &Pipeline<'_>, file: &BatchFile, outcomes: &[ImageOutcome]) -> Result<(), Error> {
    let records: Vec<&[u8]> = outcomes.iter().filter_map(ImageOutcome::record).collect();
    let written = file
        .add(&pipeline.clients.writes, &records)
        .await
        .map_err(Error::Commit)?;
    pipeline.traffic.add_written(written);
    Ok(())
}

struct UsageAtStart {
    started: Instant,
    /// If several invocations run in this process at the same time, each of them counts all CPU time.
    cpu: Duration,
}

impl UsageAtStart {
    fn now(app: &App) -> Self {
        Self {
            started: app.clock.now(),
            cpu: app.clock.cpu_time(),
        }
    }

    fn until_now(&self, app: &App, meter: &Meter, pipeline: &Pipeline<'_>, outcomes: &[ImageOutcome]) -> Usage {
        let (elapsed, cpu) = (
            app.clock.now() - self.started,
            app.clock.cpu_time().saturating_sub(self.cpu),
        );
        let uses_cpu_threads = pipeline.settings.images.profile().uses_cpu_threads;
        let cpu_threads = if uses_cpu_threads { app.limits.cpu.count() } else { 0 };
        let vcpus = vcpus(
            app.config.memory_mb,
            Handle::current().metrics().num_workers(),
            cpu_threads,
        );
        let mut usage = Usage {
            requests: meter.requests(),
            throttled: meter.throttled(),
            bytes_read: pipeline.traffic.read(),
            bytes_written: pipeline.traffic.written(),
            elapsed_ms: millis(elapsed),
            cpu_ms: millis(cpu),
            vcpu_ms: millis(vcpu_time(elapsed, cpu, vcpus)),
            ..Usage::default()
        };
        for outcome in outcomes {
            outcome.measure(&mut usage.stages);
        }
        usage
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
