//! The state of a job's keys: listed, planned, in flight, counted. There is no I/O here.

use std::sync::Arc;
use std::time::Duration;

use shared::object::ObjectRef;
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::series::Point;

use super::dispatch::Dispatch;
use super::guided;
use super::planner::{Planned, Planner};
use super::retry_policy::{Decision, Situation, decide, is_loss};
use crate::attempt::{AttemptResult, GivenUp, LeftOver};
use crate::chunk::{BodyFile, Chunk, Content, InFlightAttempt, Lines, Tries};
use crate::job::Job;
use crate::source::{Cursor, Portion};
use crate::store::Counters;

/// A checkpoint has about this many bytes at most. What its attempts and chunks leave of it is for objects.
const CHECKPOINT_BYTES: usize = 150_000;

/// The most ignored keys in memory, except those that arrive before their file is begun.
const MAX_IGNORED_KEYS: usize = 10_000;

/// What attempts and waiting chunks take of a checkpoint, for each slot.
const BYTES_PER_SLOT: usize = 150;

pub struct Progress<'a> {
    job: &'a Job,
    pub counters: Counters,
    planner: Planner,
    pub dispatch: Dispatch,
    /// Attempts that may still be running and cannot be given up. The invocation that resumes the job gives them up
    /// first.
    pub unfenced: Vec<InFlightAttempt>,
    lost_in_a_row: u64,
    /// The totals when they were last added to the series.
    noted: (u64, u64),
    /// Whether attempts get shares of what is left.
    in_shares: bool,
    /// How many bytes of objects may still go into the checkpoint. Only the first chunks of an invocation gain from it,
    /// so what they leave is not used again.
    room: usize,
    /// The objects of new chunks that are not being written yet.
    unwritten: BodyFile,
}

impl<'a> Progress<'a> {
    /// `max_bytes` is the most bytes of the requests in flight.
    pub fn new(job: &'a Job, generation: u32, counters: Counters, queue: Vec<Arc<Chunk>>, max_bytes: usize) -> Self {
        let mut dispatch = Dispatch::new(job, generation, max_bytes);
        for chunk in queue {
            dispatch.push(chunk);
        }
        Self {
            job,
            noted: counters.totals(),
            counters,
            planner: Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes).keep_ignored(job.list_ignored),
            dispatch,
            unfenced: Vec::new(),
            lost_in_a_row: 0,
            in_shares: false,
            room: CHECKPOINT_BYTES.saturating_sub(BYTES_PER_SLOT * job.parallel),
            unwritten: BodyFile::first(generation),
        }
    }

    /// Plans what a listing found.
    pub fn plan(&mut self, portion: Portion) {
        for planned in self.planner.plan(portion) {
            self.count(planned);
        }
        // They are known, although they do not count yet.
        for object in self.planner.open_objects() {
            self.counters.listed_in.add(&object.key);
        }
    }

    /// Ends the open chunk, even if it is not full.
    pub fn close_chunk(&mut self) {
        let planned = self.planner.close();
        self.count(planned);
    }

    /// Ends the open chunk if processors have waited for it this long.
    pub fn close_chunk_after(&mut self, time: Duration) {
        let waited = self.planner.opened().map(|opened| opened.elapsed());
        if waited.is_some_and(|waited| waited > time) && self.demand() > 0 {
            self.close_chunk();
        }
    }

    fn count(&mut self, planned: Planned) {
        for object in planned.objects.iter().chain(&planned.unnamed) {
            self.counters.listed_in.add(&object.key);
        }
        self.counters.add_listed(planned.counts);
        self.counters.add_ignored(planned.ignored);
        self.counters.add_unnamed(&planned.unnamed);
        if !planned.objects.is_empty() {
            self.push_new(Lines::new(&planned.objects), Tries::default());
        }
    }

    /// The listing has ended. All processors should now end at about the same time. So if more chunks are ready than can
    /// start at once, each attempt from now on gets a share of the keys that are left.
    pub fn end_listing(&mut self) {
        self.close_chunk();
        self.in_shares = self.dispatch.ready() > self.dispatch.free();
    }

    /// Reserves attempts for ready chunks.
    pub fn reserve(&mut self) {
        while self.dispatch.is_short()
            && let Some(chunk) = self.dispatch.next_ready()
        {
            let chunk = if self.in_shares { self.share(chunk) } else { chunk };
            self.dispatch.reserve(chunk);
        }
    }

    /// Cuts a share off a ready chunk. The rest is ready again.
    fn share(&mut self, chunk: Arc<Chunk>) -> Arc<Chunk> {
        let left = self.dispatch.ready_keys() + chunk.keys;
        let share = guided::share(left, self.dispatch.window.size(), self.job.chunk_keys);
        // What was tried before has its own way of becoming smaller.
        if chunk.keys <= share || chunk.tries != Tries::default() {
            return chunk;
        }
        let Some((front, back)) = chunk.split_at(share, self.counters.chunks) else {
            return chunk;
        };
        self.counters.chunks += 1;
        self.dispatch.push_first(Arc::new(back));
        Arc::new(front)
    }

    /// What the listing found, and is in no chunk yet.
    pub fn cursors(&self) -> &[Cursor] {
        self.planner.cursors()
    }

    /// How many more keys to list, so that no invocation has to wait for the listing.
    pub fn demand(&self) -> usize {
        if self.dispatch.is_full() || self.has_many_ignored() {
            return 0;
        }
        let chunks = self.dispatch.window.size() / 2 + 2;
        let missing = chunks.saturating_sub(self.dispatch.ready());
        (missing * self.job.chunk_keys).saturating_sub(self.planner.open())
    }

    /// Whether so many ignored keys are kept that they must go to a file before more are listed.
    pub fn has_many_ignored(&self) -> bool {
        self.counters.ignored_keys.len() >= MAX_IGNORED_KEYS
    }

    /// Whether no listed key is waiting or in flight, and every lost attempt was given up.
    pub fn is_settled(&self) -> bool {
        self.planner.open() == 0 && self.dispatch.is_empty() && self.unfenced.is_empty()
    }

    /// Takes the result of an attempt, at a time since the job began. Returns a reason if the job must be aborted.
    pub fn apply(&mut self, at_ms: u64, sequence: u64, result: AttemptResult) -> Option<String> {
        let in_flight = self.dispatch.attempts().count();
        let aborted = self.count_result(sequence, result);
        self.add_to_series(at_ms, in_flight);
        aborted
    }

    /// Notes how the job runs, at a time since it began.
    pub fn note(&mut self, at_ms: u64) {
        self.add_to_series(at_ms, self.dispatch.attempts().count());
    }

    /// Adds what was counted since the last time to the series.
    fn add_to_series(&mut self, at_ms: u64, in_flight: usize) {
        let ((images, throttled), before) = (self.counters.totals(), self.noted);
        self.noted = (images, throttled);
        let point = Point {
            images: images - before.0,
            in_flight: in_flight as u64,
            throttled: throttled - before.1,
        };
        self.counters.series.add(at_ms, point);
    }

    fn count_result(&mut self, sequence: u64, mut result: AttemptResult) -> Option<String> {
        let attempt = self.dispatch.complete(sequence);
        self.counters.invocations += 1;
        self.adapt_window(sequence, &result);
        let chunk = &attempt.chunk;
        // `None`: nothing is known about the keys.
        let remaining = match &mut result {
            AttemptResult::Response(processed) => {
                self.count_response(std::mem::take(&mut processed.response));
                Some(std::mem::take(&mut processed.unprocessed))
            }
            AttemptResult::Unavailable { given_up, .. }
            | AttemptResult::Lost { given_up, .. }
            | AttemptResult::CredentialsExpired { given_up, .. }
            | AttemptResult::CredentialsRefused { given_up, .. } => Some(self.adopt(std::mem::take(given_up))),
            AttemptResult::Throttled(_)
            | AttemptResult::Unread(_)
            | AttemptResult::Rejected(_)
            | AttemptResult::Unfenced(_) => None,
        };
        self.lost_in_a_row += u64::from(is_loss(&result, chunk.tries));
        let situation = Situation {
            tries: chunk.tries,
            sent: chunk.keys,
            remaining: remaining.as_ref().map_or(chunk.keys, Vec::len),
            lost_in_a_row: self.lost_in_a_row,
            parallel: self.job.parallel,
        };
        self.follow(decide(&result, situation), attempt, remaining)
    }

    fn follow(
        &mut self,
        decision: Decision,
        attempt: InFlightAttempt,
        remaining: Option<Vec<ObjectRef>>,
    ) -> Option<String> {
        let chunk = &attempt.chunk;
        match decision {
            Decision::Complete => {}
            Decision::Retry { after_at_most, tries } => {
                let delay = after_at_most.mul_f64(fastrand::f64());
                let again = self.again(chunk, remaining, tries);
                self.dispatch.push_after(delay, again);
            }
            Decision::Resend { tries } => self.resend(&remaining.unwrap_or_default(), tries),
            Decision::Bisect { tries } => {
                let remaining = remaining.unwrap_or_default();
                let (front, back) = remaining.split_at(remaining.len() / 2);
                for half in [front, back] {
                    let tries = if half.len() == 1 { Tries::default() } else { tries };
                    self.push_new(Lines::new(half), tries);
                }
            }
            Decision::Fail { class, error } => {
                self.counters.add_failed(&remaining.unwrap_or_default(), class, &error);
            }
            Decision::Abort { reason, requeue } => {
                if !requeue {
                    self.unfenced.push(attempt);
                } else if remaining.as_ref().is_none_or(|remaining| !remaining.is_empty()) {
                    let again = self.again(chunk, remaining, chunk.tries);
                    self.dispatch.push(again);
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
            AttemptResult::Response(processed) => {
                let usage = &processed.response.usage;
                let requests = usage.requests;
                let requests = requests.get + requests.put + requests.copy + requests.head;
                if usage.throttled * 5 > requests {
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
            | AttemptResult::Unread(_)
            | AttemptResult::Rejected(_)
            | AttemptResult::Unfenced(_) => {}
        }
    }

    /// Counts the outcomes in a response.
    fn count_response(&mut self, response: ChunkResponse) {
        self.lost_in_a_row = 0;
        self.counters.add_response(response);
    }

    /// Counts the images that an attempt had committed before it was given up. Returns the other objects.
    fn adopt(&mut self, given_up: GivenUp) -> Vec<ObjectRef> {
        self.counters.add_committed(*given_up.committed);
        given_up.remaining
    }

    /// Takes an attempt of an earlier invocation that was given up. Counts what it had committed. The rest is a waiting
    /// chunk again.
    pub fn reclaim(&mut self, attempt: &InFlightAttempt, left_over: LeftOver) {
        let chunk = &attempt.chunk;
        let again = match left_over {
            LeftOver::All => self.again(chunk, None, chunk.tries),
            LeftOver::Part(given_up) => {
                let remaining = self.adopt(given_up);
                if remaining.is_empty() {
                    return;
                }
                self.again(chunk, Some(remaining), chunk.tries)
            }
        };
        self.dispatch.push(again);
    }

    /// Sends what a processor had no time for at once, in as many pieces as processors are free.
    fn resend(&mut self, objects: &[ObjectRef], tries: Tries) {
        let free = self.dispatch.free().saturating_sub(self.dispatch.ready());
        let pieces = free.min(objects.len() / guided::MIN_KEYS).max(1);
        for piece in objects.chunks(objects.len().div_ceil(pieces).max(1)) {
            self.push_new(Lines::new(piece), tries);
        }
    }

    /// The same chunk once more, with all its objects or with those that remain. A body never changes, so fewer objects
    /// are another body.
    fn again(&mut self, chunk: &Chunk, remaining: Option<Vec<ObjectRef>>, tries: Tries) -> Arc<Chunk> {
        match remaining {
            Some(remaining) if remaining.len() < chunk.keys => self.chunk(chunk.number, Lines::new(&remaining), tries),
            _ => Arc::new(Chunk { tries, ..chunk.clone() }),
        }
    }

    fn push_new(&mut self, lines: Lines, tries: Tries) {
        let number = self.counters.chunks;
        self.counters.chunks += 1;
        let chunk = self.chunk(number, lines, tries);
        self.dispatch.push(chunk);
    }

    fn chunk(&mut self, number: u64, lines: Lines, tries: Tries) -> Arc<Chunk> {
        let (keys, bytes) = (lines.count(), lines.bytes().len());
        let content = if bytes <= self.room {
            self.room -= bytes;
            Content::Inline(lines)
        } else {
            Content::File {
                body: self.unwritten.add(lines.clone()),
                lines: Some(lines),
            }
        };
        Arc::new(Chunk {
            number,
            keys,
            content,
            tries,
        })
    }

    /// Whether the next checkpoint must wait for a file with the objects of new chunks.
    pub fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// The file with the objects of new chunks. It must be written before a checkpoint names them.
    pub fn take_unwritten(&mut self) -> BodyFile {
        self.unwritten.take()
    }

    /// What a checkpoint says about the keys: waiting chunks, and attempts in flight.
    pub fn view(&self) -> (Vec<Arc<Chunk>>, Vec<InFlightAttempt>) {
        let queue = self.dispatch.queue().cloned().collect();
        let in_flight = self.unfenced.iter().chain(self.dispatch.attempts()).cloned().collect();
        (queue, in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    fn job(parallel: usize) -> Job {
        let request = Request {
            source: Some("s3://photos/".parse().unwrap()),
            destination: Some("s3://photos-out/".parse().unwrap()),
            parallel: Some(parallel),
            chunk_keys: Some(160),
            ..Request::default()
        };
        Job::from_request(&request, "job").unwrap()
    }

    /// The chunks of the attempts that are sent one after the other.
    fn sent(progress: &mut Progress<'_>) -> Vec<Arc<Chunk>> {
        let mut chunks = Vec::new();
        loop {
            progress.reserve();
            progress.dispatch.begin_checkpoint();
            progress.dispatch.confirm();
            let sent = progress.dispatch.send(false);
            if sent.is_empty() {
                return chunks;
            }
            for (attempt, _) in sent {
                progress.dispatch.complete(attempt.attempt.sequence);
                chunks.push(attempt.chunk);
            }
        }
    }

    #[test]
    fn the_last_attempts_are_shares_of_what_is_left() {
        let job = job(2);
        let objects = |from: usize| (from..from + 160).map(|number| ObjectRef::latest(format!("{number}.jpg").into()));
        for (inline, chunks) in [(true, 4), (false, 4), (false, 2)] {
            let mut progress = Progress::new(&job, 1, Counters::default(), Vec::new(), 1 << 20);
            if !inline {
                progress.room = 0;
            }
            for chunk in 0..chunks {
                let objects: Vec<_> = objects(chunk * 160).collect();
                progress.push_new(Lines::new(&objects), Tries::default());
            }
            progress.end_listing();
            let sent = sent(&mut progress);
            let sizes: Vec<_> = sent.iter().map(|chunk| chunk.keys).collect();
            let bytes: Vec<u8> = sent
                .iter()
                .flat_map(|chunk| chunk.lines().unwrap().bytes().to_vec())
                .collect();
            let all: Vec<_> = (0..chunks).flat_map(|chunk| objects(chunk * 160)).collect();
            assert_eq!(bytes, Lines::new(&all).bytes()[..], "each object once, in order");
            let expected = if chunks == 2 {
                // All chunks start at once.
                vec![160, 160]
            } else {
                // A quarter of what is left, but at least an eighth of a chunk.
                vec![160, 120, 40, 80, 60, 20, 40, 30, 22, 20, 20, 20, 8]
            };
            assert_eq!(sizes, expected);
            assert_eq!(progress.counters.chunks, sizes.len() as u64);
            if !inline {
                // The parts are those of the file with the whole chunks.
                let file = progress.take_unwritten().into_bytes();
                assert_eq!(file, bytes);
                for chunk in sent {
                    let Content::File {
                        body,
                        lines: Some(lines),
                    } = &chunk.content
                    else {
                        panic!("it has no file: {chunk:?}");
                    };
                    let [start, end] = [body.start, body.start + body.len].map(|at| usize::try_from(at).unwrap());
                    assert_eq!(file[start..end], lines.bytes()[..]);
                }
            }
        }
    }
}
