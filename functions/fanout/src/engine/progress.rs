//! The state of a job's keys: listed, planned, in flight, counted. There is no I/O here.

use std::collections::HashSet;
use std::sync::Arc;

use shared::object::{Key, ObjectRef};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::FailureClass;

use super::dispatch::Dispatch;
use super::planner::Planner;
use super::retry_policy::{Decision, Situation, decide, is_loss};
use crate::attempt::{AttemptResult, Committed};
use crate::chunk::{Chunk, InFlightAttempt, Tries};
use crate::job::Job;
use crate::source::Candidate;
use crate::store::Counters;

/// The error of a key that cannot be decoded.
const NOT_UTF8: &str = "its key is not UTF-8, so no request can name the object; it is shown URL-encoded";

pub struct Progress<'a> {
    job: &'a Job,
    pub counters: Counters,
    planner: Planner,
    pub dispatch: Dispatch,
    /// Attempts that may still be running and cannot be given up. The invocation that resumes the job gives them up
    /// first.
    pub unfenced: Vec<InFlightAttempt>,
    lost_in_a_row: u64,
}

impl<'a> Progress<'a> {
    pub fn new(job: &'a Job, generation: u32, counters: Counters, queue: Vec<Arc<Chunk>>) -> Self {
        Self {
            job,
            counters,
            planner: Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes),
            dispatch: Dispatch::new(job, generation, queue),
            unfenced: Vec::new(),
            lost_in_a_row: 0,
        }
    }

    /// Plans what a listing found. With `is_last`, nothing follows, so the last chunk need not be full.
    pub fn plan(&mut self, candidates: Vec<Candidate>, is_last: bool) {
        for candidate in &candidates {
            self.counters.listed_in.add(&candidate.object.key);
        }
        let planned = self.planner.plan(candidates);
        self.counters.add_listed(planned.counts);
        self.counters
            .add_failed(&planned.unnamed, FailureClass::Internal, NOT_UTF8);
        let rest = is_last.then(|| self.planner.rest()).flatten();
        for objects in planned.chunks.into_iter().chain(rest) {
            self.push_new(objects, Tries::default());
        }
    }

    /// How many more keys to list, so that no invocation has to wait for the listing.
    pub fn demand(&self) -> usize {
        let chunks = self.dispatch.window.size() / 4 + 2;
        let missing = chunks.saturating_sub(self.dispatch.ready());
        (missing * self.job.chunk_keys).saturating_sub(self.planner.partial().len())
    }

    /// Whether no listed key is waiting or in flight, and every lost attempt was given up.
    pub fn is_settled(&self) -> bool {
        self.planner.partial().is_empty() && self.dispatch.is_empty() && self.unfenced.is_empty()
    }

    /// Takes the result of an attempt. Returns a reason if the job must be aborted.
    pub fn apply(&mut self, sequence: u64, mut result: AttemptResult) -> Option<String> {
        let attempt = self.dispatch.complete(sequence);
        self.counters.invocations += 1;
        self.adapt_window(sequence, &result);
        let chunk = Arc::clone(&attempt.chunk);
        let remaining = match &mut result {
            AttemptResult::Response(response) => self.count_response(&chunk, std::mem::take(response)),
            AttemptResult::Unavailable { committed, .. }
            | AttemptResult::Lost { committed, .. }
            | AttemptResult::CredentialsExpired { committed, .. }
            | AttemptResult::CredentialsRefused { committed, .. } => self.adopt(&chunk, committed),
            AttemptResult::Throttled(_) | AttemptResult::Rejected(_) | AttemptResult::Unfenced(_) => {
                chunk.objects.clone()
            }
        };
        self.lost_in_a_row += u64::from(is_loss(&result, chunk.tries));
        let situation = Situation {
            tries: chunk.tries,
            sent: chunk.objects.len(),
            remaining: remaining.len(),
            lost_in_a_row: self.lost_in_a_row,
            parallel: self.job.parallel,
        };
        self.follow(decide(&result, situation), attempt, remaining)
    }

    fn follow(&mut self, decision: Decision, attempt: InFlightAttempt, remaining: Vec<ObjectRef>) -> Option<String> {
        let same = |tries| {
            Arc::new(Chunk {
                number: attempt.chunk.number,
                objects: remaining.clone(),
                tries,
            })
        };
        match decision {
            Decision::Complete => {}
            Decision::Retry { after_at_most, tries } => {
                let delay = after_at_most.mul_f64(fastrand::f64());
                self.dispatch.push_after(delay, same(tries));
            }
            Decision::Resend { tries } => self.push_new(remaining, tries),
            Decision::Bisect { tries } => {
                let (front, back) = remaining.split_at(remaining.len() / 2);
                for half in [front, back] {
                    let tries = if half.len() == 1 { Tries::default() } else { tries };
                    self.push_new(half.to_vec(), tries);
                }
            }
            Decision::Fail { class, error } => self.counters.add_failed(&remaining, class, &error),
            Decision::Abort { reason, requeue } => {
                if !requeue {
                    self.unfenced.push(attempt);
                } else if !remaining.is_empty() {
                    self.dispatch.push(same(attempt.chunk.tries));
                }
                return Some(reason);
            }
        }
        None
    }

    /// Adapts the window to a result. If S3 throttles up to a fifth of a processor's requests, the processor slows down
    /// by itself. If S3 throttles more, too many processors are in flight.
    fn adapt_window(&mut self, sequence: u64, result: &AttemptResult) {
        match result {
            AttemptResult::Response(response) => {
                let requests = response.usage.requests;
                let requests = requests.get + requests.put + requests.copy + requests.head;
                if response.usage.throttled * 5 > requests {
                    self.dispatch.throttled(sequence);
                } else {
                    self.dispatch.window.grow();
                }
            }
            AttemptResult::Throttled(_) => {
                self.counters.invocations_throttled += 1;
                self.dispatch.throttled(sequence);
            }
            AttemptResult::Unavailable { .. } => self.dispatch.throttled(sequence),
            AttemptResult::Lost { .. }
            | AttemptResult::CredentialsExpired { .. }
            | AttemptResult::CredentialsRefused { .. }
            | AttemptResult::Rejected(_)
            | AttemptResult::Unfenced(_) => {}
        }
    }

    /// Counts the outcomes in a response. Returns the objects without an outcome.
    fn count_response(&mut self, chunk: &Chunk, mut response: Box<ChunkResponse>) -> Vec<ObjectRef> {
        self.lost_in_a_row = 0;
        let unprocessed: HashSet<Key> = std::mem::take(&mut response.unprocessed).into_iter().collect();
        self.counters.add_response(*response);
        let remaining = chunk.objects.iter().filter(|object| unprocessed.contains(&object.key));
        remaining.cloned().collect()
    }

    /// Counts the keys that a lost attempt had committed. Returns the other objects.
    fn adopt(&mut self, chunk: &Chunk, committed: &Committed) -> Vec<ObjectRef> {
        let mut remaining = chunk.objects.clone();
        remaining.retain(|object| {
            let found = committed.get(&object.key);
            if let Some(&with_exif) = found {
                self.counters.add_committed(with_exif);
            }
            found.is_none()
        });
        remaining
    }

    /// Takes an attempt of an earlier invocation that was given up. Counts what it had committed. The rest is a waiting
    /// chunk again.
    pub fn reclaim(&mut self, attempt: &InFlightAttempt, committed: &Committed) {
        let objects = self.adopt(&attempt.chunk, committed);
        if !objects.is_empty() {
            let Chunk { number, tries, .. } = *attempt.chunk;
            self.dispatch.push(Arc::new(Chunk { number, objects, tries }));
        }
    }

    fn push_new(&mut self, objects: Vec<ObjectRef>, tries: Tries) {
        let number = self.counters.chunks;
        self.counters.chunks += 1;
        self.dispatch.push(Arc::new(Chunk { number, objects, tries }));
    }

    /// What a checkpoint says about the keys: counters, waiting chunks, and attempts in flight.
    pub fn view(&self) -> (Counters, Vec<Arc<Chunk>>, Vec<InFlightAttempt>) {
        let mut counters = self.counters.clone();
        let mut queue: Vec<Arc<Chunk>> = self.dispatch.queue().cloned().collect();
        if !self.planner.partial().is_empty() {
            // This invocation may still add keys to the chunk, and has not used its number. An invocation that
            // continues from the checkpoint sends the chunk as it is.
            queue.push(Arc::new(Chunk {
                number: counters.chunks,
                objects: self.planner.partial().to_vec(),
                tries: Tries::default(),
            }));
            counters.chunks += 1;
        }
        let in_flight = self.unfenced.iter().chain(self.dispatch.attempts()).cloned().collect();
        (counters, queue, in_flight)
    }
}
