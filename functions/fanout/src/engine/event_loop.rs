//! The event loop of a job: it lists, plans, invokes and counts at the same time, and writes checkpoints.

use std::time::Duration;

use aws_sdk_s3::Client;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use shared::object::ETag;
use shared::s3::Meter;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::ending::Ending;
use super::progress::Progress;
use super::saver::{Saver, Write};
use super::schedule::Schedule;
use crate::attempt::{AttemptResult, FenceError, Invoker, give_up_all};
use crate::chunk::InFlightAttempt;
use crate::job::Job;
use crate::source::{self, Portion, Source};
use crate::store::journal::KeysFile;
use crate::store::{self, Checkpoint, Conditions, Header, Saved};

/// How often the checkpoint and `job.json` are written, if anything has changed and S3 is fast. New attempts need a
/// checkpoint sooner.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// A chunk is sent after this time even if it is not full, if processors wait for it.
const MAX_TIME_TO_FILL: Duration = Duration::from_secs(10);

/// How many attempts of an earlier invocation are given up before the lease is looked at.
const BATCH: usize = 64;

/// The reason in the report of a job that was stopped.
pub const STOPPED: &str = "the job was stopped, as requested";

/// What the loop waits for.
enum Event {
    Saved(Box<Write>),
    AttemptEnded {
        sequence: u64,
        result: AttemptResult,
        took: Duration,
    },
    Listed(Result<Option<Portion>, source::Error>),
    /// A write of `job.json` has ended, or a delayed chunk is due.
    Woken,
    Tick,
    LastStart,
    LastWait,
}

/// What an invocation has.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub deadline: Instant,
    /// The most bytes of the requests in flight.
    pub max_bytes: usize,
}

pub struct EventLoop<'a> {
    pub(super) job: &'a Job,
    pub(super) invoker: Invoker<'a>,
    meter: Meter,
    started: Instant,
    pub(super) schedule: Schedule,
    pub header: Header,
    pub(super) saver: Saver<'a>,
    source: Source,
    pub(super) progress: Progress<'a>,
    /// The first checkpoint of a new job, from before anything was listed. It is written if the current state names
    /// bodies, which are written only after it.
    first: Option<Checkpoint>,
    /// Attempts of an earlier invocation, until they are given up.
    pub(super) left_behind: Vec<InFlightAttempt>,
    /// Whether anything changed since the last checkpoint.
    dirty: bool,
    /// Whether `job.json` is older than the last checkpoint.
    unreported: bool,
    pub(super) ending: Option<Ending>,
}

impl<'a> EventLoop<'a> {
    /// Continues from a checkpoint that this invocation has taken over. Its `ETag` is that in S3.
    pub fn new(
        invoker: Invoker<'a>,
        source_s3: Client,
        meter: Meter,
        (checkpoint, etag): (Checkpoint, Option<ETag>),
        limits: Limits,
    ) -> Self {
        let Checkpoint {
            header,
            counters,
            cursors,
            queue,
            in_flight,
        } = checkpoint;
        let (job, clock) = (invoker.job, invoker.clock.clone());
        Self {
            job,
            meter,
            started: Instant::now(),
            schedule: Schedule::new(clock.clone(), limits.deadline),
            saver: Saver::new(invoker.s3, job, clock, etag),
            source: Source::new(source_s3, job.scope(), cursors),
            progress: Progress::new(job, header.generation, counters, queue, limits.max_bytes),
            first: None,
            left_behind: in_flight,
            header,
            invoker,
            dirty: true,
            unreported: true,
            ending: None,
        }
    }

    /// Lists the first page of a new job, which shows whether the source can be listed.
    pub async fn first_page(&mut self) -> Result<(), source::Error> {
        let empty = self.checkpoint();
        let portion = self.source.next(1).await?;
        self.plan(portion);
        // A body is written only for a job that has begun. So if there is one, the job begins with nothing listed.
        self.first = self.progress.has_unwritten().then_some(empty);
        Ok(())
    }

    /// Writes the checkpoint that takes the job over. Returns false if another invocation was faster.
    pub async fn claim(&mut self) -> Result<bool, store::Error> {
        let write = self.save().await;
        self.saver.saved(&write);
        match write.saved? {
            Saved::Written(_) => {}
            Saved::StopRequested(_) => self.header.stop_requested = true,
            Saved::LeaseLost => return Ok(false),
        }
        Ok(true)
    }

    /// Gives up the attempts of an earlier invocation. If an attempt cannot be given up, it stays in flight, and the
    /// job is aborted.
    pub async fn reclaim(&mut self) {
        if let Err(error) = self.give_up_left_behind().await {
            self.end(Ending::Aborted(error.to_string()));
        }
    }

    /// Gives up the attempts that were left behind. Renews the lease meanwhile.
    pub(super) async fn give_up_left_behind(&mut self) -> Result<(), FenceError> {
        let mut failed = None;
        while !self.left_behind.is_empty() {
            let batch = self.left_behind.split_off(self.left_behind.len().saturating_sub(BATCH));
            for (attempt, result) in give_up_all(self.invoker.s3, self.job, batch).await {
                match result {
                    Ok(left_over) => self.progress.reclaim(&attempt, left_over),
                    Err(error) => {
                        self.progress.unfenced.push(attempt);
                        failed = Some(error);
                    }
                }
            }
            if self.saver.lease.is_due() && !self.has_lost_the_job() {
                let write = self.save().await;
                self.take_saved(&mut false, write);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Works until every key has an outcome, or until nothing more may start and all attempts in flight have ended.
    pub async fn run(&mut self) {
        let mut attempts = FuturesUnordered::new();
        // One write at a time, as for job.json.
        let mut saving = FuturesUnordered::new();
        let mut tick = interval(SAVE_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        let (mut checkpoint_due, mut report_due) = (false, true);
        loop {
            if self.ending.is_none() {
                self.progress.reserve();
                if self.saver.lease.holds() {
                    let sent = self.progress.dispatch.send(!self.source.is_exhausted());
                    attempts.extend(
                        sent.into_iter()
                            .map(|(attempt, share)| ended(self.invoker.clone(), attempt, share)),
                    );
                }
            }
            if self.saver.may_write_bodies() {
                self.start_bodies();
            }
            if self.has_lost_the_job() || (saving.is_empty() && attempts.is_empty() && self.is_over()) {
                break;
            }
            if saving.is_empty() && (self.must_save() || (checkpoint_due && (self.dirty || self.unreported))) {
                checkpoint_due = false;
                saving.push(self.save());
            }
            let (last_start, last_wait) = (self.schedule.last_start(), self.schedule.last_wait());
            let (running, demand) = (self.ending.is_none(), self.progress.demand());
            // In a fixed order, so that a run can be repeated. What bounds the work comes first, and results of attempts,
            // which may be many, come last. Nothing starves: pages are listed only on demand.
            let event = tokio::select! {
                biased;
                () = self.schedule.sleep_until(last_start), if running => Event::LastStart,
                () = self.schedule.sleep_until(last_wait), if !running => Event::LastWait,
                _ = tick.tick() => Event::Tick,
                Some(write) = saving.next() => Event::Saved(Box::new(write)),
                Some(_) = self.saver.reporting.join_next() => Event::Woken,
                () = self.progress.dispatch.until_due(), if running && self.progress.dispatch.has_delayed() => Event::Woken,
                listed = self.source.next(demand), if running && !self.source.is_exhausted() => Event::Listed(listed),
                Some(event) = attempts.next() => event,
            };
            match event {
                Event::Saved(write) => self.take_saved(&mut report_due, *write),
                Event::AttemptEnded { sequence, result, took } => self.take_result(sequence, result, took),
                Event::Listed(Ok(portion)) => self.plan(portion),
                Event::Listed(Err(error)) => self.end(Ending::Aborted(format!("the listing broke off: {error}"))),
                Event::Woken => {}
                Event::Tick => {
                    checkpoint_due |= self.saver.may_save();
                    report_due |= self.saver.may_report();
                    self.tick();
                }
                Event::LastStart => self.end(Ending::TimeUp),
                Event::LastWait => break,
            }
        }
        // Attempts in flight stay in the checkpoint. A write in progress must end, because the next one needs its ETag.
        while let Some(write) = saving.next().await {
            self.take_saved(&mut false, write);
        }
    }

    fn tick(&mut self) {
        self.progress.note(self.elapsed_ms());
        self.progress.close_chunk_after(MAX_TIME_TO_FILL);
    }

    /// Whether a checkpoint must be written now. Without any checkpoint, the lease is due.
    fn must_save(&self) -> bool {
        self.progress.dispatch.has_reserved() || self.saver.lease.is_due() || self.progress.has_many_ignored()
    }

    /// The time of all invocations for the job, until now.
    fn elapsed_ms(&self) -> u64 {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.counters.elapsed_ms.saturating_add(now)
    }

    /// Starts to write a checkpoint that names the attempts to be sent.
    fn save(&mut self) -> impl Future<Output = Write> + use<'a> {
        if let Some(first) = self.first.take() {
            return self.saver.save(first, Vec::new());
        }
        self.progress.dispatch.begin_checkpoint();
        self.start_bodies();
        // Of a job that has not begun, nothing is written but its checkpoint.
        let has_begun = self.saver.has_checkpoint();
        let keys = has_begun.then(|| KeysFile::take(&mut self.progress.counters, false));
        let checkpoint = self.checkpoint();
        self.saver.save(checkpoint, keys.unwrap_or_default())
    }

    /// Starts to write the bodies of new chunks, if the job has begun.
    pub(super) fn start_bodies(&mut self) {
        if self.saver.has_checkpoint() && self.progress.has_unwritten() {
            self.saver.write_bodies(self.progress.take_unwritten());
        }
    }

    /// Takes the result of a write, and starts to write `job.json` if that is due.
    fn take_saved(&mut self, report_due: &mut bool, write: Write) {
        let is_first = !self.saver.has_checkpoint();
        self.saver.saved(&write);
        match write.saved {
            Ok(Saved::Written(_)) => {
                if is_first {
                    self.probe(&write.checkpoint);
                }
                if *report_due && self.saver.report(&write.checkpoint) {
                    (*report_due, self.unreported) = (false, false);
                }
                if self.ending.is_none() {
                    self.progress.dispatch.confirm();
                    return;
                }
            }
            Ok(Saved::StopRequested(_)) => {
                self.header.stop_requested = true;
                self.dirty = true;
                self.end(Ending::Aborted(STOPPED.to_owned()));
            }
            Ok(Saved::LeaseLost) => self.end(Ending::LeaseLost),
            Err(error) => self.end(Ending::StoreFailed(error)),
        }
        self.progress.dispatch.recall();
    }

    /// Starts to find out whether the store honours conditions, after the first checkpoint was written. Meanwhile, the
    /// listing goes on and attempts are sent.
    fn probe(&mut self, checkpoint: &Checkpoint) {
        let file = self.job.destination.checkpoint(&self.job.id);
        self.invoker.conditions = Conditions::probe(self.invoker.s3.clone(), file, checkpoint.to_json());
    }

    fn take_result(&mut self, sequence: u64, result: AttemptResult, took: Duration) {
        self.dirty = true;
        self.schedule.attempt_took(took);
        let aborted = self.progress.apply(self.elapsed_ms(), sequence, result);
        let counters = &self.progress.counters;
        let aborted = aborted.or_else(|| counters.abort_reason(self.job, self.source.rest()));
        if let Some(reason) = aborted {
            self.end(Ending::Aborted(reason));
        }
    }

    fn plan(&mut self, portion: Option<Portion>) {
        self.dirty = true;
        if let Some(portion) = portion {
            self.progress.plan(portion);
        }
        if self.source.is_exhausted() {
            self.progress.end_listing();
        }
    }

    fn has_lost_the_job(&self) -> bool {
        matches!(self.ending, Some(Ending::LeaseLost | Ending::StoreFailed(_)))
    }

    /// Whether there is an ending. Sets it if every key has an outcome.
    fn is_over(&mut self) -> bool {
        let is_settled = self.source.is_exhausted() && self.progress.is_settled();
        if is_settled && matches!(self.ending, None | Some(Ending::TimeUp)) {
            let counters = &self.progress.counters;
            self.ending = Some(match counters.pending() {
                0 => counters.all_denied().map_or(Ending::Completed, Ending::Aborted),
                pending => Ending::Aborted(format!("{pending} keys have no outcome, which is a bug in fanout")),
            });
        }
        self.ending.is_some()
    }

    /// Starts nothing more. The first ending counts, unless this invocation has lost the job.
    pub fn end(&mut self, ending: Ending) {
        if self.ending.is_none() || matches!(ending, Ending::LeaseLost | Ending::StoreFailed(_)) {
            self.ending = Some(ending);
        }
        self.progress.dispatch.recall();
        // What was listed need not be listed again.
        self.progress.close_chunk();
    }

    /// Makes a checkpoint of the current state.
    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        self.dirty = false;
        self.unreported = true;
        self.progress.note(self.elapsed_ms());
        self.header.revision += 1;
        self.header.honours_conditions = self.saver.has_checkpoint() && self.invoker.conditions.are_honoured();
        let (queue, mut in_flight) = self.progress.view();
        let mut counters = self.progress.counters.clone();
        let mut cursors = self.progress.cursors().to_vec();
        for cursor in self.source.cursors() {
            source::add(&mut cursors, cursor);
        }
        in_flight.extend(self.left_behind.iter().cloned());
        counters.requests += self.meter.requests();
        counters.throttled += self.meter.throttled();
        counters.elapsed_ms = self.elapsed_ms();
        Checkpoint {
            header: self.header.clone(),
            counters,
            cursors,
            queue,
            in_flight,
        }
    }
}

/// Sends an attempt, and waits for its result.
async fn ended(invoker: Invoker<'_>, attempt: InFlightAttempt, max_requests_per_second: Option<f64>) -> Event {
    let sent_at = Instant::now();
    let sequence = attempt.attempt.sequence;
    let result = invoker.attempt(attempt, max_requests_per_second).await;
    Event::AttemptEnded {
        sequence,
        result,
        took: sent_at.elapsed(),
    }
}
