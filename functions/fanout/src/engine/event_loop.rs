//! The event loop of a job: it lists, plans, invokes and counts at the same time, and writes checkpoints.

use std::time::Duration;

use aws_sdk_s3::Client;
use futures::StreamExt;
use futures::future::join;
use futures::stream::FuturesUnordered;
use lambda_runtime::tracing::warn;
use shared::object::ETag;
use shared::protocol::job::State;
use shared::s3::Meter;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::progress::Progress;
use super::schedule::Schedule;
use crate::attempt::{AttemptResult, FenceError, Invoker, give_up_all};
use crate::chunk::InFlightAttempt;
use crate::error::Error;
use crate::job::Job;
use crate::source::{self, Candidate, Source};
use crate::store::journal::FailuresFile;
use crate::store::{self, Checkpoint, Conditions, Header, Saved, report};

/// How often the checkpoint and `job.json` are written, if anything has changed. New attempts need a checkpoint sooner.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// The reason in the report of a job that was stopped.
pub const STOPPED: &str = "the job was stopped, as requested";

/// Why the work of an invocation on a job ends.
#[derive(Debug)]
pub enum Ending {
    Completed,
    Aborted(String),
    /// The time is up: the next invocation continues the job.
    TimeUp,
    /// Another invocation works on the job.
    LeaseLost,
    /// The checkpoint cannot be written.
    StoreFailed(store::Error),
}

/// What the loop waits for.
enum Event {
    Saved(Result<Saved, store::Error>, Box<Checkpoint>),
    AttemptEnded {
        sequence: u64,
        result: AttemptResult,
        took: Duration,
    },
    Listed(Result<Vec<Candidate>, source::Error>),
    /// A write of `job.json` has ended, or a delayed chunk is due.
    Woken,
    Tick,
    LastStart,
    LastWait,
}

pub struct EventLoop<'a> {
    job: &'a Job,
    invoker: Invoker<'a>,
    meter: Meter,
    started: Instant,
    schedule: Schedule,
    pub header: Header,
    /// The `ETag` of the checkpoint; `None` before the first one is written.
    etag: Option<ETag>,
    source: Source,
    progress: Progress<'a>,
    /// Attempts of an earlier invocation, until they are given up.
    left_behind: Vec<InFlightAttempt>,
    /// Whether anything changed since the last checkpoint.
    dirty: bool,
    /// Whether `job.json` is older than the last checkpoint.
    unreported: bool,
    /// The write of `job.json` that is in progress.
    reporting: JoinSet<()>,
    ending: Option<Ending>,
}

impl<'a> EventLoop<'a> {
    /// Continues from a checkpoint that this invocation has taken over. Its `ETag` is that in S3.
    pub fn new(
        invoker: Invoker<'a>,
        source_s3: Client,
        meter: Meter,
        (checkpoint, etag): (Checkpoint, Option<ETag>),
        deadline: Instant,
    ) -> Self {
        let Checkpoint {
            header,
            counters,
            cursors,
            queue,
            in_flight,
        } = checkpoint;
        let job = invoker.job;
        Self {
            job,
            meter,
            started: Instant::now(),
            schedule: Schedule::new(invoker.clock.clone(), deadline),
            etag,
            source: Source::new(source_s3, job.scope(), cursors),
            progress: Progress::new(job, header.generation, counters, queue),
            left_behind: in_flight,
            header,
            invoker,
            dirty: true,
            unreported: true,
            reporting: JoinSet::new(),
            ending: None,
        }
    }

    /// Lists the first page, which shows whether the source can be listed.
    pub async fn first_page(&mut self) -> Result<(), source::Error> {
        if !self.source.is_exhausted() {
            let candidates = self.source.next(1).await?;
            self.plan(candidates);
        }
        Ok(())
    }

    /// Writes the checkpoint that takes the job over. Returns false if another invocation was faster.
    pub async fn claim(&mut self) -> Result<bool, store::Error> {
        let checkpoint = self.checkpoint();
        let saved = checkpoint
            .save(self.invoker.s3, &self.job.destination, self.etag.as_ref())
            .await?;
        match saved {
            Saved::Written(etag) => self.etag = Some(etag),
            Saved::StopRequested(etag) => {
                self.etag = Some(etag);
                self.header.stop_requested = true;
            }
            Saved::LeaseLost => return Ok(false),
        }
        Ok(true)
    }

    /// Gives up the attempts of an earlier invocation. If an attempt cannot be given up, it stays in flight, and the
    /// job is aborted.
    pub async fn reclaim(&mut self) {
        for (attempt, result) in give_up_all(self.invoker.s3, self.job, std::mem::take(&mut self.left_behind)).await {
            match result {
                Ok(committed) => self.progress.reclaim(&attempt, &committed),
                Err(error) => {
                    self.progress.unfenced.push(attempt);
                    self.end(Ending::Aborted(error.to_string()));
                }
            }
        }
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
                self.progress.dispatch.reserve();
            }
            if self.has_lost_the_job() || (saving.is_empty() && attempts.is_empty() && self.is_over()) {
                break;
            }
            if saving.is_empty()
                && (self.progress.dispatch.has_reserved() || (checkpoint_due && (self.dirty || self.unreported)))
            {
                checkpoint_due = false;
                saving.push(self.save());
            }
            let (last_start, last_wait) = (self.schedule.last_start(), self.schedule.last_wait());
            let (running, demand) = (self.ending.is_none(), self.progress.demand());
            let event = tokio::select! {
                Some((saved, checkpoint)) = saving.next() => Event::Saved(saved, Box::new(checkpoint)),
                Some(event) = attempts.next() => event,
                listed = self.source.next(demand), if running && !self.source.is_exhausted() => Event::Listed(listed),
                Some(_) = self.reporting.join_next() => Event::Woken,
                () = self.progress.dispatch.until_due(), if running && self.progress.dispatch.has_delayed() => Event::Woken,
                _ = tick.tick() => Event::Tick,
                () = self.schedule.sleep_until(last_start), if running => Event::LastStart,
                () = self.schedule.sleep_until(last_wait), if !running => Event::LastWait,
            };
            match event {
                Event::Saved(saved, checkpoint) => {
                    report_due &= !self.report(&saved, &checkpoint, report_due);
                    let confirmed = self.take_saved(saved, &checkpoint).into_iter();
                    attempts.extend(confirmed.map(|(attempt, share)| ended(self.invoker.clone(), attempt, share)));
                }
                Event::AttemptEnded { sequence, result, took } => self.take_result(sequence, result, took),
                Event::Listed(Ok(candidates)) => self.plan(candidates),
                Event::Listed(Err(error)) => self.end(Ending::Aborted(format!("the listing broke off: {error}"))),
                Event::Woken => {}
                Event::Tick => (checkpoint_due, report_due) = (true, true),
                Event::LastStart => self.end(Ending::TimeUp),
                Event::LastWait => break,
            }
        }
        // Attempts in flight stay in the checkpoint. A write in progress must end, because the next one needs its ETag.
        while let Some((saved, checkpoint)) = saving.next().await {
            // Nothing to send: there is an ending.
            self.take_saved(saved, &checkpoint);
        }
    }

    /// Starts to write a checkpoint that names the attempts to be sent.
    fn save(&mut self) -> impl Future<Output = (Result<Saved, store::Error>, Checkpoint)> + use<'a> {
        self.progress.dispatch.begin_checkpoint();
        let failures = FailuresFile::take(&mut self.progress.counters, false);
        let (checkpoint, etag) = (self.checkpoint(), self.etag.clone());
        let (s3, job) = (self.invoker.s3, self.job);
        async move {
            let saved = store::save(s3, job, &checkpoint, etag.as_ref(), failures).await;
            (saved, checkpoint)
        }
    }

    /// Starts to write `job.json` from a checkpoint if it is due. Returns whether it did. Nothing waits for this write.
    fn report(&mut self, saved: &Result<Saved, store::Error>, checkpoint: &Checkpoint, is_due: bool) -> bool {
        let reports = is_due && self.reporting.is_empty() && matches!(saved, Ok(Saved::Written(_)));
        if reports {
            self.unreported = false;
            let (s3, report) = (self.invoker.s3.clone(), checkpoint.report());
            self.reporting.spawn(async move { report::update(&s3, &report).await });
        }
        reports
    }

    /// Takes the result of a write. Returns the attempts to send now, with their shares of the limit on requests.
    fn take_saved(
        &mut self,
        saved: Result<Saved, store::Error>,
        checkpoint: &Checkpoint,
    ) -> Vec<(InFlightAttempt, Option<f64>)> {
        match saved {
            Ok(Saved::Written(etag)) => {
                if self.etag.is_none() {
                    self.probe(checkpoint);
                }
                self.etag = Some(etag);
                if self.ending.is_none() {
                    return self.progress.dispatch.confirm(!self.source.is_exhausted());
                }
            }
            Ok(Saved::StopRequested(etag)) => {
                self.etag = Some(etag);
                self.header.stop_requested = true;
                self.dirty = true;
                self.end(Ending::Aborted(STOPPED.to_owned()));
            }
            Ok(Saved::LeaseLost) => self.end(Ending::LeaseLost),
            Err(error) => self.end(Ending::StoreFailed(error)),
        }
        self.progress.dispatch.recall();
        Vec::new()
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
        let aborted = self.progress.apply(sequence, result);
        let counters = &self.progress.counters;
        let aborted = aborted.or_else(|| counters.abort_reason(self.job, self.source.rest()));
        if let Some(reason) = aborted {
            self.end(Ending::Aborted(reason));
        }
    }

    fn plan(&mut self, candidates: Vec<Candidate>) {
        self.dirty = true;
        self.progress.plan(candidates, self.source.is_exhausted());
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
    }

    /// Makes a checkpoint of the current state.
    fn checkpoint(&mut self) -> Checkpoint {
        self.dirty = false;
        self.unreported = true;
        self.header.revision += 1;
        self.header.honours_conditions = self.etag.is_some() && self.invoker.conditions.are_honoured();
        let (mut counters, queue, mut in_flight) = self.progress.view();
        in_flight.extend(self.left_behind.iter().cloned());
        counters.requests += self.meter.requests();
        counters.throttled += self.meter.throttled();
        counters.elapsed_ms += u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Checkpoint {
            header: self.header.clone(),
            counters,
            cursors: self.source.cursors(),
            queue,
            in_flight,
        }
    }

    /// Writes the last checkpoint and `job.json`. Returns how the work ended.
    pub async fn finish(mut self) -> Result<(Ending, Checkpoint), Error> {
        let mut ending = self.ending.take().expect("a run ends for a reason");
        let conditions = self.invoker.conditions.check().await;
        if let Err(error) = &conditions
            && !matches!(ending, Ending::LeaseLost | Ending::StoreFailed(_))
        {
            ending = Ending::Aborted(error.to_string());
        }
        match &ending {
            Ending::LeaseLost => return Ok((ending, self.checkpoint())),
            Ending::StoreFailed(_) => {}
            Ending::TimeUp => self.header.lease_ms = 0,
            Ending::Completed => self.header.state = State::Completed,
            Ending::Aborted(reason) => {
                self.header.state = State::Aborted;
                self.header.reason = Some(reason.clone());
                // Without conditions, a fence would overwrite the records of an attempt.
                if conditions.is_ok() {
                    self.give_up_the_rest().await?;
                }
            }
        }
        if let Ending::StoreFailed(error) = ending {
            return Err(error.into());
        }
        let report_until = self.schedule.report_until(matches!(ending, Ending::TimeUp));
        let Some(checkpoint) = self.write_last_checkpoint(report_until).await? else {
            return Ok((Ending::LeaseLost, self.checkpoint()));
        };
        let report = checkpoint.report();
        let update = report::update(self.invoker.s3, &report);
        if self.schedule.within(report_until, update).await.is_none() {
            warn!("job.json was not updated in time");
        }
        report::log_end(&report);
        Ok((ending, checkpoint))
    }

    /// Gives up all attempts without a result, so that none can commit after the job has ended.
    async fn give_up_the_rest(&mut self) -> Result<(), FenceError> {
        let mut attempts = std::mem::take(&mut self.progress.unfenced);
        attempts.append(&mut self.left_behind);
        attempts.extend(self.progress.dispatch.abandon());
        for (attempt, result) in give_up_all(self.invoker.s3, self.job, attempts).await {
            self.progress.reclaim(&attempt, &result?);
        }
        Ok(())
    }

    /// Writes the last checkpoint. Returns `None` if another invocation works on the job.
    async fn write_last_checkpoint(&mut self, report_until: Instant) -> Result<Option<Checkpoint>, store::Error> {
        let mut failures = FailuresFile::take(&mut self.progress.counters, true);
        let mut checkpoint = self.checkpoint();
        loop {
            let (s3, etag) = (self.invoker.s3, self.etag.as_ref());
            let save = store::save(s3, self.job, &checkpoint, etag, failures.take());
            // The previous write of job.json must end first. Otherwise it could replace the last one.
            let reported = async { while self.reporting.join_next().await.is_some() {} };
            let (saved, _) = join(save, self.schedule.within(report_until, reported)).await;
            match saved? {
                Saved::Written(_) => return Ok(Some(checkpoint)),
                Saved::LeaseLost => return Ok(None),
                // A job that has ended cannot be stopped any more. If the job continues, the next invocation reads the
                // flag.
                Saved::StopRequested(etag) => {
                    self.etag = Some(etag);
                    checkpoint.header.stop_requested = true;
                }
            }
        }
    }
}

/// Sends an attempt, and waits for its result.
async fn ended(invoker: Invoker<'_>, attempt: InFlightAttempt, max_requests_per_second: Option<f64>) -> Event {
    let sent_at = Instant::now();
    let result = invoker.attempt(&attempt, max_requests_per_second).await;
    Event::AttemptEnded {
        sequence: attempt.attempt.sequence,
        result,
        took: sent_at.elapsed(),
    }
}
