//! Begins a job, or takes it over from an earlier invocation, and works on it.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use lambda_runtime::tracing::{info, warn};
use shared::object::ETag;
use shared::protocol::job::{Report, State};

use super::Session;
use super::hand_over::{HandOverError, hand_over};
use super::restarts::Restarts;
use crate::attempt::Invoker;
use crate::engine::{Ending, EventLoop, Limits, STOPPED};
use crate::error::Error;
use crate::job::Job;
use crate::store::journal::{self, Kind};
use crate::store::{self, Checkpoint, Conditions, Found};

/// A job ends after it was taken over this often in a row without a new outcome.
const MAX_TAKEOVERS: u32 = 5;

/// Requests in flight may take this part of the memory.
const MEMORY_SHARE: usize = 2;

impl Session<'_> {
    /// Begins a job, as its first invocation. Returns `None` if the job exists already.
    pub async fn begin(&self, job: &Job, mut checkpoint: Checkpoint) -> Result<Option<Report>, Error> {
        checkpoint.take_over(&self.id);
        let mut engine = self.engine(job, checkpoint, None);
        // The first page shows whether the source can be listed. The first checkpoint shows whether the destination can
        // be written. Both come before any other work.
        engine
            .first_page()
            .await
            .map_err(|error| Error::listing(error, job.manifest.is_some()))?;
        info!(source = %job.source, destination = %job.destination.uri(), "job started");
        // On the heap, because the future is large.
        Box::pin(self.work(job, engine)).await
    }

    /// Takes over a job that no other invocation works on.
    pub async fn take_over(&self, job: &Job, found: Found) -> Result<Report, Error> {
        let Found {
            mut checkpoint, etag, ..
        } = found;
        if !checkpoint.header.honours_conditions {
            let file = job.destination.checkpoint(&job.id);
            let conditions = Conditions::probe(self.s3.clone(), file, checkpoint.to_json());
            conditions.check().await.map_err(store::Error::from)?;
        }
        checkpoint.take_over(&self.id);
        let mut engine = self.engine(job, checkpoint, Some(etag));
        if !engine.claim().await? {
            return self.report(job).await;
        }
        info!(generation = engine.header.generation, "job continues");
        let is_stuck = engine.header.takeovers > MAX_TAKEOVERS;
        let continued = Box::pin(self.go_on(job, engine)).await;
        if continued.is_err() && is_stuck {
            // Not even its end can be written, so starting it again does not help.
            self.delete_schedule(&job.destination, &job.id).await;
        }
        match continued? {
            Some(report) => Ok(report),
            None => self.report(job).await,
        }
    }

    /// Works on a job that this invocation has taken over.
    async fn go_on(&self, job: &Job, mut engine: EventLoop<'_>) -> Result<Option<Report>, Error> {
        let header = &mut engine.header;
        journal::discard(&self.s3, job, Kind::Failed, &header.uncounted_failures).await?;
        if job.list_ignored {
            journal::discard(&self.s3, job, Kind::Ignored, &header.uncounted_ignored).await?;
        }
        header.forget_uncounted();
        engine.reclaim().await;
        if engine.header.takeovers > MAX_TAKEOVERS {
            let reason = format!(
                "{MAX_TAKEOVERS} invocations of fanout in a row ended without a new outcome: they died, or processors \
                 need more time for a chunk than fanout has; the log of fanout says which"
            );
            engine.end(Ending::Aborted(reason));
        }
        self.work(job, engine).await
    }

    /// The report of a job that another invocation works on.
    async fn report(&self, job: &Job) -> Result<Report, Error> {
        let found = Checkpoint::load(&self.s3, &job.destination, &job.id).await?;
        Ok(found.checkpoint.report())
    }

    fn engine<'b>(&'b self, job: &'b Job, mut checkpoint: Checkpoint, etag: Option<ETag>) -> EventLoop<'b> {
        let config = &self.app.config;
        checkpoint.header.functions = Some(config.functions());
        let invoker = Invoker {
            lambda: &self.app.lambda,
            s3: &self.s3,
            processor: &config.processor,
            job,
            clock: self.clock().clone(),
            timeout: config.invoke_timeout,
            // The first invocation of a job finds out when it has written the first checkpoint.
            conditions: Conditions::honoured(),
        };
        let source_s3 = self.source_s3(job);
        let limits = Limits {
            deadline: self.deadline,
            max_bytes: config.memory_mb as usize * 1024 * 1024 / MEMORY_SHARE,
        };
        EventLoop::new(invoker, source_s3, self.meter.clone(), (checkpoint, etag), limits)
    }

    /// Works on a job, and hands it over if the time is up. Returns `None` if another invocation works on it.
    async fn work(&self, job: &Job, mut engine: EventLoop<'_>) -> Result<Option<Report>, Error> {
        let restarts = Restarts::new(self, &job.destination, &job.id);
        if engine.header.stop_requested {
            engine.end(Ending::Aborted(STOPPED.to_owned()));
        }
        // Nothing waits for the schedule: until it exists, Lambda starts an asynchronous invocation again if it dies.
        let is_scheduled = AtomicBool::new(false);
        let scheduling = Box::pin(async {
            if let Some(restarts) = &restarts {
                is_scheduled.store(restarts.create(self.s3_time()).await, Relaxed);
            }
            pending::<()>().await;
        });
        tokio::select! {
            biased;
            () = engine.run() => {}
            () = scheduling => {}
        }
        let finished = Box::pin(engine.finish()).await;
        let finished = match finished {
            Ok((Ending::TimeUp, checkpoint)) => {
                Box::pin(self.continue_later(job, checkpoint, is_scheduled.load(Relaxed))).await?
            }
            Ok((Ending::LeaseLost, _)) => {
                warn!("another invocation works on the job; this one ends");
                return Ok(None);
            }
            Ok((Ending::Completed | Ending::Aborted(_) | Ending::StoreFailed(_), checkpoint)) => checkpoint,
            Err(error) => return Err(error),
        };
        if finished.header.state != State::Running {
            self.delete_schedule(&job.destination, &job.id).await;
        }
        Ok(Some(finished.report()))
    }

    /// Starts the next invocation of a job. If that fails, the schedule does it. Without a schedule, the job ends.
    async fn continue_later(&self, job: &Job, checkpoint: Checkpoint, is_scheduled: bool) -> Result<Checkpoint, Error> {
        match hand_over(self, &checkpoint).await {
            Ok(()) => Ok(checkpoint),
            Err(error @ HandOverError::NotStarted(_)) if is_scheduled => Err(error.into()),
            Err(error) => Box::pin(self.abort(job, checkpoint, error.to_string())).await,
        }
    }

    /// Ends a job that could not be handed over, unless another invocation has continued it after all.
    async fn abort(&self, job: &Job, checkpoint: Checkpoint, reason: String) -> Result<Checkpoint, Error> {
        let found = Checkpoint::load(&self.s3, &job.destination, &job.id).await?;
        if !found.checkpoint.header.has_owner_of(&checkpoint.header) {
            return Ok(found.checkpoint);
        }
        let session = self.recounted();
        let mut checkpoint = found.checkpoint;
        // As a new generation, because the names of bodies begin anew.
        checkpoint.take_over(&self.id);
        checkpoint.header.forget_uncounted();
        let mut engine = session.engine(job, checkpoint, Some(found.etag));
        engine.reclaim().await;
        engine.end(Ending::Aborted(reason));
        let (_, checkpoint) = Box::pin(engine.finish()).await?;
        Ok(checkpoint)
    }
}
