//! Listing, planning, invoking and accounting at once, in one loop.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_s3::Client;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use lambda_runtime::tracing::{info, warn};
use shared::chunk::ObjectRef;
use shared::failure::{Class, Failure};
use shared::job::{Report, State};
use shared::s3::{self, Meter, ObjectId, Written};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::App;
use crate::account::Account;
use crate::error::Error;
use crate::invoke::{Invoker, Settled};
use crate::list::{self, Listed};
use crate::plan::{Chunk, Planner};
use crate::request::Job;

/// How often `job.json` tells how far the job is.
const REPORT_EVERY: Duration = Duration::from_secs(1);

const REPORT_WITHIN: Duration = Duration::from_secs(2);

/// Before the deadline: from 90 s on nothing is started, so that what is in flight can end; from 10 s
/// on nothing is waited for.
const LAST_START: Duration = Duration::from_secs(90);
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How often a chunk may come back with nothing done before its keys are failed.
const RETURNS: u32 = 2;

/// Runs a job to its end, or until it can go no further. What was wrong before anything was done is an
/// error; all that happens later is in the report.
pub async fn run(app: &App, job: Job, deadline: Instant) -> Result<Report, Error> {
    let meter = Meter::default();
    let s3 = meter.s3(&app.sdk);
    let mut pages = pin!(list::pages(&s3, &job.source));
    // The first page shows whether the source can be listed at all, job.json whether the destination
    // can be written: both before anything is done.
    let first_page = pages.next().await.transpose().map_err(Error::Source)?;
    let account = Account::new(&job, meter, 1);
    if account.create(&s3).await.map_err(Error::Destination)? == Written::Exists {
        return existing(&s3, &job).await;
    }
    info!(job_id = job.id, source = %job.source, destination = %job.destination.uri(), "job started");

    let invoker = Invoker {
        lambda: &app.lambda,
        s3: &s3,
        config: &app.config,
        job: &job,
        generation: account.generation,
        invocations: AtomicU64::new(0),
        throttled: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
    };
    let mut run = Run {
        invoker: &invoker,
        account,
        planner: Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes),
        queue: VecDeque::new(),
        stopped: None,
    };
    run.plan(first_page.unwrap_or_default());
    run.until_settled(pages, deadline).await;
    run.finish().await
}

/// The report of a job that has been started before.
async fn existing(s3: &Client, job: &Job) -> Result<Report, Error> {
    let failed = |problem: String| Error::Report {
        job_id: job.id.clone(),
        problem,
    };
    let file = ObjectId::any(&job.destination.bucket, job.destination.job(&job.id));
    let (_, body) = s3::get(s3, &file, None)
        .await
        .map_err(|failure| failed(failure.message))?;
    let report: Report = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    warn!(job_id = job.id, state = ?report.state, "the job has been started before; this is its report");
    Ok(report)
}

struct Run<'a> {
    invoker: &'a Invoker<'a>,
    account: Account<'a>,
    planner: Planner,
    /// Chunks to send. Listing waits while there are as many as may be in flight.
    queue: VecDeque<Chunk>,
    /// Why nothing more is started.
    stopped: Option<String>,
}

impl Run<'_> {
    async fn until_settled(&mut self, pages: impl Stream<Item = Result<Vec<Listed>, Failure>>, deadline: Instant) {
        let mut pages = pin!(pages);
        let mut listing = true;
        let parallel = self.invoker.job.parallel;
        let mut in_flight = FuturesUnordered::new();
        let mut report = interval(REPORT_EVERY);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        report.reset();
        loop {
            while self.stopped.is_none()
                && in_flight.len() < parallel
                && let Some(chunk) = self.queue.pop_front()
            {
                let returned = chunk.returned;
                let invoker = self.invoker;
                in_flight.push(async move { (returned, invoker.settle(chunk).await) });
            }
            let wants_pages = listing && self.stopped.is_none();
            if !wants_pages && in_flight.is_empty() {
                return;
            }
            tokio::select! {
                Some((returned, settled)) = in_flight.next() => self.settle(settled, returned),
                page = pages.next(), if wants_pages && self.queue.len() < parallel => match page {
                    Some(Ok(page)) => self.plan(page),
                    Some(Err(failure)) => self.stop(format!("the listing broke off: {failure}")),
                    None => {
                        listing = false;
                        let rest = self.planner.rest();
                        self.enqueue(rest, 0);
                    }
                },
                _ = report.tick() => self.report().await,
                () = sleep_until(deadline - LAST_START), if self.stopped.is_none() => {
                    let listing = if listing { ", and the listing was not finished" } else { "" };
                    self.stop(format!("the function's time was up{listing}"));
                }
                () = sleep_until(deadline - LAST_WAIT), if self.stopped.is_some() => return,
            }
        }
    }

    fn plan(&mut self, page: Vec<Listed>) {
        let planned = self.planner.page(page);
        self.account.plan(&planned);
        self.enqueue(planned.chunks, 0);
    }

    fn enqueue(&mut self, chunks: impl IntoIterator<Item = Vec<ObjectRef>>, returned: u32) {
        for objects in chunks {
            self.queue.push_back(Chunk {
                number: self.account.chunks,
                objects,
                returned,
            });
            self.account.chunks += 1;
        }
    }

    fn settle(&mut self, mut settled: Settled, returned: u32) {
        let unprocessed = std::mem::take(&mut settled.unprocessed);
        let done = settled.ok + settled.skipped + settled.failed.len() as u64;
        let returned = if done > 0 { 0 } else { returned + 1 };
        if returned > RETURNS {
            settled.fail(
                unprocessed,
                Class::Timeout,
                "given back by the processor again and again",
            );
        } else if !unprocessed.is_empty() {
            self.enqueue([unprocessed], returned);
        }
        if let Some(reason) = settled.hopeless.take() {
            self.stop(reason);
        }
        self.account.settle(settled);
        if self.account.too_many_failed() {
            let most = self.invoker.job.max_failed_percent;
            self.stop(format!("more than {most} % of the images failed (max_failed_percent)"));
        }
    }

    /// Lets what is in flight end and starts nothing more. The first reason counts.
    fn stop(&mut self, reason: String) {
        self.invoker.stopped.store(true, Relaxed);
        self.stopped.get_or_insert(reason);
    }

    fn count_invocations(&mut self) {
        self.account.invocations = self.invoker.invocations.load(Relaxed);
        self.account.invocations_throttled = self.invoker.throttled.load(Relaxed);
    }

    /// Progress is worth telling, but not worth failing for.
    async fn report(&mut self) {
        self.count_invocations();
        let report = self.account.report(State::Running, None);
        // Meanwhile the loop stands still, so it must not take long.
        match timeout(REPORT_WITHIN, self.account.save(self.invoker.s3, &report)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => warn!(%failure, "job.json was not updated"),
            Err(_) => warn!("job.json was not updated in time"),
        }
    }

    async fn finish(mut self) -> Result<Report, Error> {
        self.count_invocations();
        let pending = self.account.pending();
        let reason = match self.stopped.take() {
            None if pending > 0 => Some(format!("{pending} keys have no outcome, which is a bug in fanout")),
            reason => reason,
        };
        let state = if reason.is_none() {
            State::Completed
        } else {
            State::Aborted
        };
        let report = self.account.report(state, reason);
        self.account
            .save(self.invoker.s3, &report)
            .await
            .map_err(Error::Destination)?;
        info!(
            job_id = report.job_id,
            state = ?report.state,
            reason = report.reason,
            listed = report.listed,
            ok = report.ok,
            failed = report.failed,
            pending = report.pending,
            invocations = report.invocations,
            elapsed_ms = report.elapsed_ms,
            "job ended"
        );
        Ok(report)
    }
}
