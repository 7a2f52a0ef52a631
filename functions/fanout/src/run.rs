//! Listing, planning, invoking and accounting at once, in one loop, from one checkpoint to the next.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use lambda_runtime::tracing::warn;
use shared::chunk::ObjectRef;
use shared::failure::{Class, Failure};
use shared::job::State;
use shared::s3::Meter;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use crate::checkpoint::{Checkpoint, Open, Saved};
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::invoke::Invoker;
use crate::plan::{Chunk, Planner, Tries};
use crate::request::Job;
use crate::save::{log_end, save, update_report};
use crate::source::{Candidate, Source};

/// How often the checkpoint and `job.json` are written where nothing else asks for it.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Attempts given up at a time, and their keys.
const GIVING_UP: usize = 16;
const KEYS_GIVEN_UP: usize = 10_000;

/// Why a job ends that was asked to.
pub const STOPPED: &str = "stopped, as was asked for";

/// Why a run ends.
#[derive(Debug)]
pub enum Ending {
    Completed,
    Aborted(String),
    /// The time is up: the next invocation goes on.
    TimeUp,
    /// Another invocation is at work.
    Lost,
    /// The checkpoint cannot be written.
    Broken(Failure),
}

pub struct Run<'a> {
    pub job: &'a Job,
    invoker: Invoker<'a>,
    meter: Meter,
    started: Instant,
    deadline: Instant,
    /// The job as it was when this run began; its counters are kept up to date.
    pub state: Checkpoint,
    /// Of the checkpoint; `None` before the first.
    etag: Option<String>,
    source: Source,
    planner: Planner,
    pub dispatch: Dispatch,
    /// Deaths of processors since one answered.
    pub deaths: u64,
    slowest: Duration,
    /// Whether anything changed since the last checkpoint.
    dirty: bool,
    /// A write of `job.json` that is under way.
    reporting: FuturesUnordered<BoxFuture<'a, ()>>,
    ending: Option<Ending>,
}

impl<'a> Run<'a> {
    pub fn new(
        invoker: Invoker<'a>,
        meter: Meter,
        mut state: Checkpoint,
        etag: Option<String>,
        source: Source,
        deadline: Instant,
    ) -> Self {
        let job = invoker.job;
        Self {
            job,
            invoker,
            meter,
            started: Instant::now(),
            deadline,
            etag,
            source,
            planner: Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes),
            dispatch: Dispatch::new(job, state.generation, std::mem::take(&mut state.queue)),
            state,
            deaths: 0,
            slowest: Duration::ZERO,
            dirty: true,
            reporting: FuturesUnordered::new(),
            ending: None,
        }
    }

    /// Lists the first page, which shows whether the source can be listed at all.
    pub async fn first_page(&mut self) -> Result<(), Failure> {
        if !self.source.is_exhausted() {
            let candidates = self.source.next(1).await?;
            self.plan(candidates);
        }
        Ok(())
    }

    /// Settles the attempts that an invocation left behind; those that cannot be given up stay open, and
    /// end the run.
    pub async fn reclaim(&mut self) {
        let left_behind = std::mem::take(&mut self.state.open);
        let invoker = self.invoker;
        // Each reads the records of a chunk, if it has any: some 3 KB a key.
        let at_once = (KEYS_GIVEN_UP / self.job.chunk_keys).clamp(1, GIVING_UP);
        let mut given_up = stream::iter(left_behind)
            .map(|open| async move { (invoker.give_up(&open).await, open) })
            .buffer_unordered(at_once);
        let mut kept = Vec::new();
        while let Some((result, open)) = given_up.next().await {
            match result {
                Ok(adopted) => {
                    let left = self.adopt(&open.chunk, &adopted);
                    self.retry(left, |_| {}, None);
                }
                Err(failure) => {
                    let attempt = open.attempt;
                    kept.push(open);
                    self.end(Ending::Aborted(format!(
                        "attempt {attempt} cannot be given up: {failure}"
                    )));
                }
            }
        }
        drop(given_up);
        self.state.open = kept;
    }

    /// Writes the checkpoint that takes a job over.
    pub async fn claim(&mut self) -> Result<Saved, Failure> {
        let snapshot = self.snapshot();
        let saved = save(self.invoker.s3, self.job, &snapshot, self.etag.as_deref(), None).await?;
        if let Saved::Done(etag) | Saved::Stop(etag) = &saved {
            self.etag = Some(etag.clone());
            self.state.stop |= matches!(saved, Saved::Stop(_));
        }
        Ok(saved)
    }

    /// Works until all is settled, or nothing more is to be started and what is in flight has ended.
    pub async fn until_settled(&mut self) {
        let (job, invoker) = (self.job, self.invoker);
        let mut in_flight = FuturesUnordered::new();
        // One at a time, as of job.json.
        let mut saving = FuturesUnordered::new();
        let mut tick = interval(SAVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        // Whether the checkpoint is to be written anew, and whether job.json is.
        let (mut checkpoint_due, mut report_due) = (false, true);
        loop {
            if self.ending.is_none() {
                self.dispatch.reserve();
            }
            if self.is_lost() || (saving.is_empty() && in_flight.is_empty() && self.is_over()) {
                break;
            }
            if saving.is_empty() && (self.dispatch.has_reserved() || (checkpoint_due && self.dirty)) {
                checkpoint_due = false;
                self.dispatch.write();
                let failed = self.state.counters.failed_file(false);
                let (snapshot, etag) = (self.snapshot(), self.etag.clone());
                saving.push(async move {
                    let saved = save(invoker.s3, job, &snapshot, etag.as_deref(), failed).await;
                    (saved, snapshot)
                });
            }
            let listing = self.ending.is_none() && !self.source.is_exhausted();
            let demand = self.demand();
            let due = self.dispatch.due();
            let (last_start, last_wait) = self.last_moments();
            tokio::select! {
                Some((saved, snapshot)) = saving.next() => {
                    // Nobody waits for it: what is to be sent is written down.
                    if report_due && self.reporting.is_empty() && matches!(saved, Ok(Saved::Done(_))) {
                        report_due = false;
                        let report = snapshot.report();
                        let update = async move { update_report(invoker.s3, &report).await };
                        self.reporting.push(update.boxed());
                    }
                    let mut written = self.take_saved(saved);
                    while let Some(open) = written.pop() {
                        let share = self.dispatch.send(&open, written.len() + 1, self.source.is_exhausted());
                        let sent_at = Instant::now();
                        in_flight.push(async move {
                            let answer = invoker.attempt(&open, share).await;
                            (open.attempt.sequence, answer, sent_at.elapsed())
                        });
                    }
                }
                Some((sequence, answer, elapsed)) = in_flight.next() => {
                    self.dirty = true;
                    self.slowest = self.slowest.max(elapsed);
                    self.settle(sequence, answer);
                }
                candidates = self.source.next(demand), if listing => match candidates {
                    Ok(candidates) => self.plan(candidates),
                    Err(failure) => self.end(Ending::Aborted(format!("the listing broke off: {failure}"))),
                },
                Some(()) = self.reporting.next() => {}
                _ = tick.tick() => (checkpoint_due, report_due) = (true, true),
                () = sleep_until(due.unwrap_or(self.deadline)), if due.is_some() && self.ending.is_none() => {}
                () = sleep_until(last_start), if self.ending.is_none() => self.end(Ending::TimeUp),
                () = sleep_until(last_wait), if self.ending.is_some() => break,
            }
        }
        // What is in flight stays open. A write under way must end, since the next one builds on it.
        while let Some((saved, _)) = saving.next().await {
            // Nothing is sent once there is an ending.
            self.take_saved(saved);
        }
    }

    /// From when on nothing is started, so that what is in flight can end; and from when on nothing is
    /// waited for.
    fn last_moments(&self) -> (Instant, Instant) {
        let whole = self.deadline.saturating_duration_since(self.started);
        let slow = (self.slowest * 3 / 2 + Duration::from_secs(15)).max(Duration::from_secs(60));
        // The last checkpoint, and the start of the next invocation.
        let wait = Duration::from_secs(20);
        (self.deadline - slow.min(whole / 3), self.deadline - wait.min(whole / 8))
    }

    fn is_lost(&self) -> bool {
        matches!(self.ending, Some(Ending::Lost | Ending::Broken(_)))
    }

    /// Whether nothing is left to do; sets the ending if all is done.
    fn is_over(&mut self) -> bool {
        let all_settled = self.source.is_exhausted()
            && self.planner.open().is_empty()
            && self.dispatch.is_empty()
            && self.state.open.is_empty();
        if all_settled && matches!(self.ending, None | Some(Ending::TimeUp)) {
            self.ending = Some(match self.state.counters.pending() {
                0 => Ending::Completed,
                pending => Ending::Aborted(format!("{pending} keys have no outcome, which is a bug in fanout")),
            });
        }
        self.ending.is_some()
    }

    /// Starts nothing more. The first reason counts, but nothing goes over having lost the job.
    pub fn end(&mut self, ending: Ending) {
        if self.ending.is_none() || matches!(ending, Ending::Lost | Ending::Broken(_)) {
            self.ending = Some(ending);
        }
        self.dispatch.recall();
    }

    /// How many more keys are wanted: enough that no invocation waits for the listing.
    fn demand(&self) -> usize {
        let chunks = self.dispatch.window.size() / 4 + 2;
        let missing = chunks.saturating_sub(self.dispatch.ready());
        (missing * self.job.chunk_keys).saturating_sub(self.planner.open().len())
    }

    fn plan(&mut self, candidates: Vec<Candidate>) {
        self.dirty = true;
        let planned = self.planner.plan(candidates);
        self.state.counters.plan(&planned);
        let last = self.source.is_exhausted().then(|| self.planner.rest()).flatten();
        for objects in planned.chunks.into_iter().chain(last) {
            let chunk = self.chunk(objects, Tries::default());
            self.dispatch.push(chunk, None);
        }
    }

    pub fn chunk(&mut self, objects: Vec<ObjectRef>, tries: Tries) -> Arc<Chunk> {
        let number = self.state.counters.chunks;
        self.state.counters.chunks += 1;
        Arc::new(Chunk { number, objects, tries })
    }

    /// Takes what a write came to; gives the attempts that may be sent now.
    fn take_saved(&mut self, saved: Result<Saved, Failure>) -> Vec<Open> {
        match saved {
            Ok(Saved::Done(etag)) => {
                self.etag = Some(etag);
                if self.ending.is_none() {
                    return self.dispatch.written();
                }
            }
            Ok(Saved::Stop(etag)) => {
                self.etag = Some(etag);
                self.state.stop = true;
                self.dirty = true;
                self.end(Ending::Aborted(STOPPED.to_owned()));
            }
            Ok(Saved::Lost) => self.end(Ending::Lost),
            Err(failure) => self.end(Ending::Broken(failure)),
        }
        self.dispatch.recall();
        Vec::new()
    }

    /// The job as it stands, whole.
    fn snapshot(&mut self) -> Checkpoint {
        self.dirty = false;
        self.state.revision += 1;
        let mut snapshot = self.state.clone();
        let counters = &mut snapshot.counters;
        counters.requests += self.meter.requests();
        counters.throttled += self.meter.throttled();
        counters.elapsed_ms += u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        snapshot.cursors = self.source.cursors();
        snapshot.open.extend(self.dispatch.open().cloned());
        snapshot.queue = self.dispatch.queue().cloned().collect();
        if !self.planner.open().is_empty() {
            // Its number is not taken yet: a chunk of this number is made when the job goes on.
            snapshot.queue.push(Arc::new(Chunk {
                number: counters.chunks,
                objects: self.planner.open().to_vec(),
                tries: Tries::default(),
            }));
            counters.chunks += 1;
        }
        snapshot
    }

    /// Writes the last checkpoint and `job.json`; how the run ended.
    pub async fn finish(mut self) -> Result<(Ending, Checkpoint), Error> {
        let ending = self.ending.take().expect("a run ends for a reason");
        match &ending {
            Ending::Lost => return Ok((ending, self.state)),
            Ending::Broken(failure) => return Err(Error::Destination(failure.clone())),
            Ending::TimeUp => self.state.lease_ms = 0,
            Ending::Completed => self.state.state = State::Completed,
            Ending::Aborted(reason) => {
                // Whatever has not answered by now must not be left to commit after the job has ended.
                self.state.open.extend(self.dispatch.abandon());
                self.reclaim().await;
                if let (Some(_), Some(Ending::Aborted(problem))) = (self.state.open.first(), &self.ending) {
                    return Err(Error::Destination(Failure::new(Class::Internal, problem)));
                }
                self.state.state = State::Aborted;
                self.state.reason = Some(reason.clone());
            }
        }
        // A job that goes on needs time for that, and gets its report from the next invocation.
        let (_, last_wait) = self.last_moments();
        let report_until = match &ending {
            Ending::TimeUp => last_wait + (self.deadline - last_wait) / 2,
            _ => self.deadline,
        };
        let mut failed = self.state.counters.failed_file(true);
        let mut snapshot = self.snapshot();
        loop {
            let etag = self.etag.as_deref();
            // The last report must not be overtaken by the one before.
            let reported = timeout_at(report_until, (&mut self.reporting).collect::<()>());
            let (saved, _) = join(
                save(self.invoker.s3, self.job, &snapshot, etag, failed.take()),
                reported,
            )
            .await;
            match saved.map_err(Error::Destination)? {
                Saved::Done(_) => break,
                Saved::Lost => return Ok((Ending::Lost, snapshot)),
                // Too late to stop a job that has ended, and early enough for the invocation that goes on.
                Saved::Stop(etag) => {
                    self.etag = Some(etag);
                    snapshot.stop = true;
                }
            }
        }
        let report = snapshot.report();
        let updated = timeout_at(report_until, update_report(self.invoker.s3, &report)).await;
        if updated.is_err() {
            warn!("job.json was not updated in time");
        }
        log_end(&report);
        Ok((ending, snapshot))
    }
}
