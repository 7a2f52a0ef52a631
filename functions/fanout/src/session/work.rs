//! Begins a job, or takes it over from an earlier invocation, and works on it.

use lambda_runtime::tracing::{info, warn};
use shared::object::ETag;
use shared::protocol::job::Report;

use super::Session;
use super::hand_over::hand_over;
use crate::attempt::Invoker;
use crate::engine::{Ending, EventLoop, STOPPED};
use crate::error::Error;
use crate::job::Job;
use crate::store::{self, Checkpoint, Conditions, journal};

impl Session<'_> {
    /// Begins a job, as its first invocation.
    pub async fn begin(&self, job: &Job, mut checkpoint: Checkpoint) -> Result<Report, Error> {
        checkpoint.take_over(&self.id, self.deadline, self.clock());
        let mut engine = self.engine(job, checkpoint, None);
        // The first page shows whether the source can be listed. The first checkpoint shows whether the destination can
        // be written. Both come before any other work.
        engine
            .first_page()
            .await
            .map_err(|error| Error::listing(error, job.manifest.is_some()))?;
        info!(job_id = job.id, source = %job.source, destination = %job.destination.uri(), "job started");
        // On the heap, because the future is large.
        Box::pin(self.work(job, engine)).await
    }

    /// Takes over a job that no other invocation works on.
    pub async fn take_over(&self, job: &Job, mut checkpoint: Checkpoint, etag: ETag) -> Result<Report, Error> {
        if !checkpoint.header.honours_conditions {
            let file = job.destination.checkpoint(&job.id);
            let conditions = Conditions::probe(self.s3.clone(), file, checkpoint.to_json());
            conditions.check().await.map_err(store::Error::from)?;
        }
        checkpoint.take_over(&self.id, self.deadline, self.clock());
        let mut engine = self.engine(job, checkpoint, Some(etag));
        if !engine.claim().await? {
            let (checkpoint, _) = Checkpoint::load(&self.s3, &job.destination, &job.id).await?;
            return Ok(checkpoint.report());
        }
        info!(job_id = job.id, generation = engine.header.generation, "job continues");
        journal::discard(&self.s3, job, &engine.header.uncounted_failures).await?;
        engine.header.uncounted_failures.clear();
        engine.reclaim().await;
        // On the heap, because the future is large.
        Box::pin(self.work(job, engine)).await
    }

    fn engine<'b>(&'b self, job: &'b Job, checkpoint: Checkpoint, etag: Option<ETag>) -> EventLoop<'b> {
        let config = &self.app.config;
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
        EventLoop::new(
            invoker,
            source_s3,
            self.meter.clone(),
            (checkpoint, etag),
            self.deadline,
        )
    }

    /// Works on a job, and hands it over if the time is up.
    async fn work(&self, job: &Job, mut engine: EventLoop<'_>) -> Result<Report, Error> {
        if engine.header.stop_requested {
            engine.end(Ending::Aborted(STOPPED.to_owned()));
        }
        engine.run().await;
        let (ending, checkpoint) = engine.finish().await?;
        match ending {
            Ending::TimeUp => match hand_over(self, &checkpoint).await {
                Ok(()) => Ok(checkpoint.report()),
                Err(error) => Box::pin(self.abort(job, &checkpoint, error.to_string())).await,
            },
            Ending::LeaseLost => {
                warn!(job_id = job.id, "another invocation works on the job; this one ends");
                let (found, _) = Checkpoint::load(&self.s3, &job.destination, &job.id).await?;
                Ok(found.report())
            }
            Ending::Completed | Ending::Aborted(_) | Ending::StoreFailed(_) => Ok(checkpoint.report()),
        }
    }

    /// Ends a job that could not be handed over, unless another invocation has continued it after all.
    async fn abort(&self, job: &Job, checkpoint: &Checkpoint, reason: String) -> Result<Report, Error> {
        let (found, etag) = Checkpoint::load(&self.s3, &job.destination, &job.id).await?;
        if !found.header.has_owner_of(&checkpoint.header) {
            return Ok(found.report());
        }
        let session = self.recounted();
        let mut engine = session.engine(job, found, Some(etag));
        engine.reclaim().await;
        engine.end(Ending::Aborted(reason));
        let (_, checkpoint) = engine.finish().await?;
        Ok(checkpoint.report())
    }
}
