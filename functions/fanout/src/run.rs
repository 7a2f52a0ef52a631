//! Listing, planning, invoking and accounting at once, in one loop, from one checkpoint to the next.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use lambda_runtime::tracing::{info, warn};
use shared::chunk::{Attempt, ChunkResponse, ObjectRef};
use shared::failure::{Class, Failure};
use shared::job::{Report, State};
use shared::s3::{self, Meter};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::checkpoint::{Checkpoint, Open, Saved};
use crate::error::Error;
use crate::invoke::{Adopted, Answer, Invoker};
use crate::plan::{Chunk, Planner, Tries};
use crate::request::Job;
use crate::source::{Candidate, Source};
use crate::window::Window;

/// How often the checkpoint and `job.json` are written where nothing else asks for it.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// A chunk whose processor dies this often is cut in halves; a half, when it dies once more. A key that
/// is alone fails.
const DEATHS: u32 = 2;

/// So many attempts may die before the first answer of a job, beside two of each invocation in flight.
const DEATHS_FROM_THE_START: u64 = 10;

/// Attempts that Lambda was out of order for; one more counts as a death.
const UNAVAILABLE: u32 = 8;

/// How often a chunk that Lambda has no room for is offered again: with the waits below, for about
/// ten minutes.
const THROTTLED: u32 = 60;

/// How often a chunk may come back with nothing done before its keys are failed.
const RETURNS: u32 = 2;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Attempts given up at a time.
const GIVING_UP: usize = 16;

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
    pub s3: Client,
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
    /// To be sent. Listing waits while there are enough of them.
    ready: VecDeque<Arc<Chunk>>,
    /// To be sent again, but not before some time.
    delayed: Vec<(Instant, Arc<Chunk>)>,
    /// Attempts that are to be written down before they are sent.
    reserved: Vec<Open>,
    /// Those that are being written down.
    writing: Vec<Open>,
    /// By their sequence number, with the requests a second that they may make.
    sent: BTreeMap<u64, (Open, Option<f64>)>,
    sequence: u64,
    window: Window,
    answers: u64,
    deaths: u64,
    slowest: Duration,
    /// Whether anything changed since the last checkpoint.
    dirty: bool,
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
            s3: invoker.s3.clone(),
            invoker,
            meter,
            started: Instant::now(),
            deadline,
            etag,
            source,
            planner: Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes),
            ready: std::mem::take(&mut state.queue).into(),
            state,
            delayed: Vec::new(),
            reserved: Vec::new(),
            writing: Vec::new(),
            sent: BTreeMap::new(),
            sequence: 0,
            window: Window::new(job.parallel),
            answers: 0,
            deaths: 0,
            slowest: Duration::ZERO,
            dirty: true,
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

    /// Settles the attempts that an invocation left behind.
    pub async fn reclaim(&mut self) {
        let left_behind = std::mem::take(&mut self.state.open);
        let invoker = self.invoker;
        let mut given_up = stream::iter(left_behind)
            .map(|open| async move { (invoker.give_up(&open).await, open) })
            .buffer_unordered(GIVING_UP);
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

    /// Writes the first checkpoint, or the one that takes a job over.
    pub async fn save_first(&mut self) -> Result<Saved, Failure> {
        let snapshot = self.snapshot();
        let saved = save(&self.s3, self.job, snapshot, self.etag.as_deref(), None, true).await?;
        if let Saved::Done(etag) | Saved::Stop(etag) = &saved {
            self.etag = Some(etag.clone());
        }
        Ok(saved)
    }

    /// Works until all is settled, or nothing more is to be started and what is in flight has ended.
    pub async fn until_settled(&mut self) {
        let (job, invoker, s3) = (self.job, self.invoker, self.s3.clone());
        let mut in_flight = FuturesUnordered::new();
        // One at a time.
        let mut saving = FuturesUnordered::new();
        let mut tick = interval(SAVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        let mut report = false;
        loop {
            self.reserve();
            if saving.is_empty() && (!self.reserved.is_empty() || (report && self.dirty)) {
                self.writing = std::mem::take(&mut self.reserved);
                let failed = self.state.counters.failed_file(false);
                let (snapshot, etag) = (self.snapshot(), self.etag.clone());
                let s3 = &s3;
                let with_report = std::mem::take(&mut report);
                saving.push(async move { save(s3, job, snapshot, etag.as_deref(), failed, with_report).await });
            }
            if self.is_lost() || (saving.is_empty() && in_flight.is_empty() && self.is_over()) {
                return;
            }
            let listing = self.ending.is_none() && !self.source.is_exhausted();
            let demand = self.demand();
            let woken = self.delayed.iter().map(|(at, _)| *at).min();
            let (last_start, last_wait) = self.last_moments();
            tokio::select! {
                Some(saved) = saving.next() => {
                    let mut written = self.take_saved(saved);
                    while let Some(open) = written.pop() {
                        let share = self.share(written.len() + 1);
                        self.sent.insert(open.attempt.sequence, (open.clone(), share));
                        let sent_at = Instant::now();
                        in_flight.push(async move {
                            let answer = invoker.attempt(&open, share).await;
                            (open.attempt.sequence, answer, sent_at.elapsed())
                        });
                    }
                }
                Some((sequence, answer, elapsed)) = in_flight.next() => {
                    self.slowest = self.slowest.max(elapsed);
                    self.settle(sequence, answer);
                }
                candidates = self.source.next(demand), if listing => match candidates {
                    Ok(candidates) => self.plan(candidates),
                    Err(failure) => self.end(Ending::Aborted(format!("the listing broke off: {failure}"))),
                },
                _ = tick.tick() => report = true,
                () = sleep_until(woken.unwrap_or(self.deadline)), if woken.is_some() && self.ending.is_none() => {}
                () = sleep_until(last_start), if self.ending.is_none() => self.end(Ending::TimeUp),
                () = sleep_until(last_wait), if self.ending.is_some() => break,
            }
        }
        // What is in flight stays open. A write under way must end, since the next one builds on it.
        let mut saving = pin!(saving);
        while let Some(saved) = saving.next().await {
            let unsent = self.take_saved(saved);
            self.reserved.extend(unsent);
        }
    }

    /// From when on nothing is started, so that what is in flight can end; and from when on nothing is
    /// waited for.
    fn last_moments(&self) -> (Instant, Instant) {
        let whole = self.deadline.saturating_duration_since(self.started);
        let slow = (self.slowest * 3 / 2 + Duration::from_secs(15)).max(Duration::from_secs(60));
        let wait = Duration::from_secs(10);
        (self.deadline - slow.min(whole / 3), self.deadline - wait.min(whole / 8))
    }

    fn is_lost(&self) -> bool {
        matches!(self.ending, Some(Ending::Lost | Ending::Broken(_)))
    }

    /// Whether nothing is left to do; sets the ending if all is done.
    fn is_over(&mut self) -> bool {
        let all_settled = self.source.is_exhausted()
            && self.planner.open().is_empty()
            && self.ready.is_empty()
            && self.delayed.is_empty()
            && self.reserved.is_empty()
            && self.sent.is_empty()
            && self.state.open.is_empty();
        if all_settled && matches!(self.ending, None | Some(Ending::TimeUp)) {
            self.ending = Some(Ending::Completed);
        }
        self.ending.is_some()
    }

    /// Starts nothing more. The first reason counts, but nothing goes over having lost the job.
    pub fn end(&mut self, ending: Ending) {
        if self.ending.is_none() || matches!(ending, Ending::Lost | Ending::Broken(_)) {
            self.ending = Some(ending);
        }
        self.ready.extend(self.reserved.drain(..).map(|open| open.chunk));
    }

    /// How many more keys are wanted: enough that no invocation waits for the listing.
    fn demand(&self) -> usize {
        let chunks = self.window.size() / 4 + 2;
        let missing = chunks.saturating_sub(self.ready.len());
        (missing * self.job.chunk_keys).saturating_sub(self.planner.open().len())
    }

    fn plan(&mut self, candidates: Vec<Candidate>) {
        self.dirty = true;
        let planned = self.planner.plan(candidates);
        self.state.counters.plan(&planned);
        let last = self.source.is_exhausted().then(|| self.planner.rest()).flatten();
        for objects in planned.chunks.into_iter().chain(last) {
            let chunk = self.chunk(objects, Tries::default());
            self.ready.push_back(chunk);
        }
    }

    fn chunk(&mut self, objects: Vec<ObjectRef>, tries: Tries) -> Arc<Chunk> {
        let number = self.state.counters.chunks;
        self.state.counters.chunks += 1;
        Arc::new(Chunk { number, objects, tries })
    }

    /// Gives attempts their numbers, as many as may be in flight.
    fn reserve(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let now = Instant::now();
        let (ready, delayed) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.delayed = delayed;
        let ready: Vec<(Instant, Arc<Chunk>)> = ready;
        self.ready.extend(ready.into_iter().map(|(_, chunk)| chunk));
        while self.sent.len() + self.writing.len() + self.reserved.len() < self.window.size() && self.has_share() {
            let Some(chunk) = self.ready.pop_front() else { return };
            self.sequence += 1;
            self.reserved.push(Open {
                attempt: Attempt {
                    generation: self.state.generation,
                    sequence: self.sequence,
                },
                chunk,
            });
        }
    }

    /// What attempts in flight leave of the limit on requests.
    fn unshared(&self, limit: f64) -> f64 {
        limit - self.sent.values().filter_map(|(_, share)| *share).sum::<f64>()
    }

    /// Whether one more attempt can have as much as each of `parallel` would.
    fn has_share(&self) -> bool {
        self.job.max_requests_per_second.is_none_or(|limit| {
            let waiting = (self.writing.len() + self.reserved.len() + 1) as f64;
            // Rounding must not keep the last one back.
            self.unshared(limit) * 1.000_001 >= waiting * limit / self.job.parallel as f64
        })
    }

    /// The share of the next of `count` attempts: others follow where there are places or, towards the
    /// end, chunks.
    fn share(&self, count: usize) -> Option<f64> {
        let limit = self.job.max_requests_per_second?;
        let places = self.job.parallel - self.sent.len().min(self.job.parallel - 1);
        let to_come = if self.source.is_exhausted() {
            count + self.reserved.len() + self.ready.len() + self.delayed.len()
        } else {
            places
        };
        Some(self.unshared(limit) / places.min(to_come) as f64)
    }

    /// Takes what a write came to; gives the attempts that may be sent now.
    fn take_saved(&mut self, saved: Result<Saved, Failure>) -> Vec<Open> {
        let written = std::mem::take(&mut self.writing);
        match saved {
            Ok(Saved::Done(etag)) => {
                self.etag = Some(etag);
                if self.ending.is_none() {
                    return written;
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
        // Never sent.
        self.ready.extend(written.into_iter().map(|open| open.chunk));
        Vec::new()
    }

    fn settle(&mut self, sequence: u64, answer: Answer) {
        self.dirty = true;
        let (open, _) = self
            .sent
            .remove(&sequence)
            .expect("an answer is to an attempt in flight");
        self.state.counters.invocations += 1;
        let chunk = &open.chunk;
        match answer {
            Answer::Response(response) => self.take_response(sequence, chunk, *response),
            Answer::NotRun(error) => {
                self.state.counters.invocations_throttled += 1;
                self.window.shrink(sequence, self.sequence);
                if chunk.tries.throttled + 1 >= THROTTLED {
                    self.end(Ending::Aborted(format!(
                        "Lambda has had no room for ten minutes: {error}"
                    )));
                }
                let wait = wait(chunk.tries.throttled);
                self.retry(Arc::clone(chunk), |tries| tries.throttled += 1, Some(wait));
            }
            Answer::Unavailable(error, adopted) => {
                self.window.shrink(sequence, self.sequence);
                let left = self.adopt(chunk, &adopted);
                if left.tries.unavailable < UNAVAILABLE {
                    let wait = wait(left.tries.unavailable);
                    self.retry(left, |tries| tries.unavailable += 1, Some(wait));
                } else {
                    self.bury(left, &error);
                }
            }
            Answer::Died(error, adopted) => {
                let left = self.adopt(chunk, &adopted);
                self.bury(left, &error);
            }
            Answer::Refused(error) => {
                self.retry(Arc::clone(chunk), |_| {}, None);
                self.end(Ending::Aborted(error));
            }
            Answer::Stuck(error) => {
                // It stays open, for whoever goes on with the job.
                self.state.open.push(open);
                self.end(Ending::Aborted(error));
            }
        }
        if self.state.counters.too_many_failed(self.job) {
            let most = self.job.max_failed_percent;
            self.end(Ending::Aborted(format!(
                "more than {most} % of the images failed (max_failed_percent)"
            )));
        }
        if let Some(reason) = self.state.counters.all_denied() {
            self.end(Ending::Aborted(reason));
        }
    }

    fn take_response(&mut self, sequence: u64, chunk: &Arc<Chunk>, mut response: ChunkResponse) {
        self.answers += 1;
        let requests = response.usage.requests;
        // One in a hundred: less, and S3 is only being told where its limits are.
        if response.usage.throttled * 100 > requests.get + requests.put + requests.copy + requests.head {
            self.window.shrink(sequence, self.sequence);
        } else {
            self.window.grow();
        }
        let unprocessed: HashSet<String> = std::mem::take(&mut response.unprocessed).into_iter().collect();
        self.state.counters.settle(response);
        if unprocessed.is_empty() {
            return;
        }
        let left = chunk.objects.iter().filter(|object| unprocessed.contains(&object.key));
        let left: Vec<ObjectRef> = left.cloned().collect();
        let returned = if left.len() < chunk.objects.len() {
            0
        } else {
            chunk.tries.returned + 1
        };
        if returned > RETURNS {
            let error = "given back by the processor again and again";
            self.state.counters.fail(&left, Class::Timeout, error);
            return;
        }
        let chunk = self.chunk(
            left,
            Tries {
                returned,
                ..Tries::default()
            },
        );
        self.ready.push_back(chunk);
    }

    /// Counts the keys that a lost attempt had committed; the rest of its chunk.
    fn adopt(&mut self, chunk: &Arc<Chunk>, adopted: &Adopted) -> Arc<Chunk> {
        if adopted.is_empty() {
            return Arc::clone(chunk);
        }
        let mut left = Chunk::clone(chunk);
        left.objects.retain(|object| {
            let Some(&with_exif) = adopted.get(&object.key) else {
                return true;
            };
            self.state.counters.ok += 1;
            self.state.counters.with_exif += u64::from(with_exif);
            false
        });
        Arc::new(left)
    }

    /// Sends a chunk again after some time, unless nothing is left of it.
    fn retry(&mut self, chunk: Arc<Chunk>, count: impl FnOnce(&mut Tries), wait: Option<Duration>) {
        if chunk.objects.is_empty() {
            return;
        }
        let mut chunk = Arc::unwrap_or_clone(chunk);
        count(&mut chunk.tries);
        let chunk = Arc::new(chunk);
        match wait {
            Some(wait) => self.delayed.push((Instant::now() + wait, chunk)),
            None => self.ready.push_back(chunk),
        }
    }

    /// A chunk whose processor died: once may be chance, then the key it dies of is looked for by halves.
    fn bury(&mut self, chunk: Arc<Chunk>, error: &str) {
        self.deaths += 1;
        if self.answers == 0 && self.deaths > DEATHS_FROM_THE_START + 2 * self.job.parallel as u64 {
            let deaths = self.deaths;
            self.ready.push_back(chunk);
            self.end(Ending::Aborted(format!(
                "none of {deaths} invocations answered, the last: {error}"
            )));
            return;
        }
        if chunk.tries.died + 1 < DEATHS {
            let wait = wait(chunk.tries.died);
            self.retry(chunk, |tries| tries.died += 1, Some(wait));
            return;
        }
        match chunk.objects.as_slice() {
            [] => {}
            [alone] => self
                .state
                .counters
                .fail(std::slice::from_ref(alone), Class::Internal, error),
            objects => {
                let (front, back) = objects.split_at(objects.len() / 2);
                for half in [front, back] {
                    // A key that is alone may have been unlucky, and has no half to show it.
                    let died = if half.len() == 1 { 0 } else { DEATHS - 1 };
                    let tries = Tries {
                        died,
                        ..Tries::default()
                    };
                    let half = self.chunk(half.to_vec(), tries);
                    self.ready.push_back(half);
                }
            }
        }
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
        let sent = self.sent.values().map(|(open, _)| open);
        snapshot.open.extend(sent.chain(&self.writing).cloned());
        let delayed = self.delayed.iter().map(|(_, chunk)| chunk);
        let reserved = self.reserved.iter().map(|open| &open.chunk);
        snapshot.queue = self.ready.iter().chain(delayed).chain(reserved).cloned().collect();
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
                let sent = std::mem::take(&mut self.sent);
                self.state.open.extend(sent.into_values().map(|(open, _)| open));
                self.reclaim().await;
                if let Some(open) = self.state.open.first() {
                    let error = format!("attempt {} cannot be given up", open.attempt);
                    return Err(Error::Destination(Failure::new(Class::Internal, error)));
                }
                self.state.state = State::Aborted;
                self.state.reason = Some(reason.clone());
            }
        }
        let failed = self.state.counters.failed_file(true);
        let snapshot = self.snapshot();
        let saved = save(&self.s3, self.job, snapshot.clone(), self.etag.as_deref(), failed, true).await;
        match saved.map_err(Error::Destination)? {
            Saved::Done(_) => {}
            Saved::Lost => return Ok((Ending::Lost, snapshot)),
            Saved::Stop(etag) => {
                // Too late to stop a job that has ended, and early enough for the invocation that goes on.
                let stopped = Checkpoint {
                    stop: true,
                    ..snapshot.clone()
                };
                save(&self.s3, self.job, stopped, Some(&etag), None, true)
                    .await
                    .map_err(Error::Destination)?;
            }
        }
        Ok((ending, snapshot))
    }
}

/// Why a job ends that was asked to.
pub const STOPPED: &str = "stopped, as was asked for";

/// Writes a checkpoint, in front of it the failed keys that are no longer in it, and behind it the
/// report.
async fn save(
    s3: &Client,
    job: &Job,
    snapshot: Checkpoint,
    etag: Option<&str>,
    failed: Option<(u32, Bytes)>,
    with_report: bool,
) -> Result<Saved, Failure> {
    let destination = &job.destination;
    if let Some((number, lines)) = failed {
        let key = destination.failed(&job.id, snapshot.generation, number);
        s3::put(s3, &destination.bucket, &key, s3::NDJSON, lines).await?;
    }
    let saved = snapshot.save(s3, destination, etag).await?;
    if with_report && matches!(saved, Saved::Done(_)) {
        let report = snapshot.report();
        if let Err(failure) = save_report(s3, job, &report).await {
            // It is made anew from the next checkpoint.
            warn!(%failure, "job.json was not updated");
        }
        if report.state != State::Running {
            info!(
                job_id = report.job_id,
                state = ?report.state,
                reason = report.reason,
                generation = report.generation,
                listed = report.listed,
                ok = report.ok,
                failed = report.failed,
                pending = report.pending,
                invocations = report.invocations,
                elapsed_ms = report.elapsed_ms,
                "job ended"
            );
        }
    }
    Ok(saved)
}

pub async fn save_report(s3: &Client, job: &Job, report: &Report) -> Result<(), Failure> {
    let body = serde_json::to_vec_pretty(report).expect("a report is valid JSON");
    let destination = &job.destination;
    s3::put(
        s3,
        &destination.bucket,
        &destination.job(&job.id),
        s3::JSON,
        body.into(),
    )
    .await
}

/// Doubling, with full jitter.
fn wait(attempt: u32) -> Duration {
    let longest = FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(attempt.min(16)))
        .min(LONGEST_WAIT);
    longest.mul_f64(fastrand::f64())
}
