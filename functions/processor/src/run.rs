//! One invocation, from its first request to its account.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use shared::bound::{Evidence, Reading, vcpu_time, vcpus};
use shared::chunk::Usage;
use shared::destination::Destination;
use shared::modes::Images;
use shared::s3::{self, Meter};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::handler::App;
use crate::in_flight::MOST_IN_FLIGHT;
use crate::pace::Pace;
use crate::pipeline::{Clients, Outcome, PerImage, Pipeline};
use crate::schedule::Schedule;

/// S3 begins its answer to a read within a fraction of a second, so one that has not begun after so long is
/// asked for again.
const READ: Duration = Duration::from_secs(10);

/// A write answers when all of it is done: 64 MiB over a slow connection.
const WRITE: Duration = Duration::from_secs(25);

pub struct Run<'a> {
    pub pipeline: Pipeline<'a>,
    meter: Meter,
    concurrency: usize,
    max_requests_per_second: Option<f64>,
    vcpus: f64,
    started: Instant,
    cpu_at_start: Duration,
}

/// What all images of an invocation have in common.
pub struct Work {
    pub images: Images,
    pub records: PerImage,
    pub write_down_failures: bool,
    pub destination: Destination,
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
}

impl<'a> Run<'a> {
    pub fn start(app: &'a App, work: Work, deadline: Instant) -> Self {
        let meter = Meter::default();
        app.limits.in_flight.start_from(work.concurrency);
        let client = |attempt: Duration| {
            let config = aws_sdk_s3::config::Builder::from(&app.sdk);
            meter.client(
                config
                    .interceptor(app.limits.in_flight.clone())
                    .timeout_config(s3::timeouts(attempt)),
            )
        };
        Self {
            pipeline: Pipeline {
                clients: Clients {
                    reads: client(READ),
                    writes: client(WRITE),
                    large_copies: client(s3::LONGEST_ATTEMPT),
                },
                most_in_flight: match work.max_requests_per_second {
                    Some(_) => work.concurrency,
                    None => MOST_IN_FLIGHT,
                },
                limits: &app.limits,
                images: work.images,
                records: work.records,
                write_down_failures: work.write_down_failures,
                destination: work.destination,
                front_bytes: app.config.front_bytes,
                pace: work.max_requests_per_second.map(Pace::new),
                schedule: Schedule::new(Instant::now(), deadline, app.config.image_timeout),
                bytes_read: AtomicU64::new(0),
                bytes_written: AtomicU64::new(0),
            },
            meter,
            concurrency: work.concurrency,
            max_requests_per_second: work.max_requests_per_second,
            vcpus: vcpus(app.config.memory_mb, Handle::current().metrics().num_workers()),
            started: Instant::now(),
            cpu_at_start: cpu_time(),
        }
    }

    /// The images in flight that this process has settled at.
    pub fn concurrency(&self) -> usize {
        self.pipeline.limits.in_flight.settled()
    }

    pub fn usage(&self, outcomes: &[Outcome]) -> Usage {
        let (elapsed, cpu) = (self.started.elapsed(), cpu_time().saturating_sub(self.cpu_at_start));
        let mut usage = Usage {
            requests: self.meter.requests(),
            throttled: self.meter.throttled(),
            bytes_read: self.pipeline.bytes_read.load(Relaxed),
            bytes_written: self.pipeline.bytes_written.load(Relaxed),
            elapsed_ms: millis(elapsed),
            cpu_ms: millis(cpu),
            vcpu_ms: millis(vcpu_time(elapsed, cpu, self.vcpus)),
            ..Usage::default()
        };
        for outcome in outcomes {
            if let Outcome::Ok(done) = outcome {
                done.measure(&mut usage.stages);
            }
        }
        usage
    }

    /// What bounded this invocation.
    pub fn reading(&self, usage: &Usage) -> Option<Reading> {
        let evidence = Evidence {
            usage,
            concurrency: self.concurrency,
            max_requests_per_second: self.max_requests_per_second,
            job: None,
        };
        evidence.reading()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// CPU time of this process, all threads. Invocations that run at the same time in one process each count
/// all of it.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}
