//! Waiting chunks and attempts in flight. An attempt is reserved first, then written into a checkpoint, and only then
//! sent. Attempts are written ahead of the slots that they will take, so that no slot waits for a checkpoint.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use shared::protocol::attempt::Attempt;
use tokio_util::time::DelayQueue;

use super::shares::Shares;
use super::window::Window;
use crate::chunk::{Chunk, InFlightAttempt};
use crate::job::Job;

/// The share of [`Dispatch::max_bytes`] that chunks may take before they are sent.
const WAITING_SHARE: usize = 4;

pub struct Dispatch {
    parallel: usize,
    /// The most bytes of the requests in flight.
    max_bytes: usize,
    bytes_in_flight: usize,
    shares: Option<Shares>,
    /// Waiting chunks that can be sent now. While there are enough of them, the listing waits.
    ready: VecDeque<Arc<Chunk>>,
    /// Waiting chunks that are sent again later, by their number. `timers` holds the same numbers.
    delayed: BTreeMap<u64, Arc<Chunk>>,
    timers: DelayQueue<u64>,
    /// Attempts for the next checkpoint.
    reserved: Vec<InFlightAttempt>,
    /// Attempts in the checkpoint that is being written.
    unconfirmed: Vec<InFlightAttempt>,
    /// Attempts in a written checkpoint that wait for a slot.
    ahead: VecDeque<InFlightAttempt>,
    /// Attempts in flight by their sequence number.
    sent: BTreeMap<u64, Sent>,
    generation: u32,
    /// Of the last attempt that was reserved, and of the last one that was sent.
    sequence: u64,
    last_sent: u64,
    pub window: Window,
}

/// An attempt in flight.
struct Sent {
    attempt: InFlightAttempt,
    /// Its slots of the limit on requests.
    slots: usize,
    /// The size of its request.
    bytes: usize,
}

impl Dispatch {
    pub fn new(job: &Job, generation: u32, max_bytes: usize) -> Self {
        Self {
            parallel: job.parallel,
            max_bytes,
            bytes_in_flight: 0,
            shares: job
                .max_requests_per_second
                .map(|limit| Shares::new(limit, job.parallel)),
            ready: VecDeque::new(),
            delayed: BTreeMap::new(),
            timers: DelayQueue::new(),
            reserved: Vec::new(),
            unconfirmed: Vec::new(),
            ahead: VecDeque::new(),
            sent: BTreeMap::new(),
            generation,
            sequence: 0,
            last_sent: 0,
            window: Window::new(job.parallel),
        }
    }

    pub fn push(&mut self, chunk: Arc<Chunk>) {
        self.ready.push_back(chunk);
    }

    pub fn push_after(&mut self, delay: Duration, chunk: Arc<Chunk>) {
        self.timers.insert(chunk.number, delay);
        self.delayed.insert(chunk.number, chunk);
    }

    pub fn has_delayed(&self) -> bool {
        !self.delayed.is_empty()
    }

    /// Waits until the next delayed chunk is due, and makes it ready. Cancelling this future loses nothing.
    pub async fn until_due(&mut self) {
        let due = poll_fn(|context| self.timers.poll_expired(context)).await;
        self.ready
            .extend(due.and_then(|due| self.delayed.remove(due.get_ref())));
    }

    /// Whether to reserve more attempts: there is one for each slot, and one more for every second slot. Before all of
    /// those are sent, the next checkpoint is written.
    pub fn is_short(&self) -> bool {
        let slots = self.window.size();
        self.in_flight() < slots + slots.div_ceil(2)
    }

    /// Takes the next chunk that can be sent.
    pub fn next_ready(&mut self) -> Option<Arc<Chunk>> {
        self.ready.pop_front()
    }

    /// Adds a chunk that comes before all others.
    pub fn push_first(&mut self, chunk: Arc<Chunk>) {
        self.ready.push_front(chunk);
    }

    /// Reserves an attempt for a chunk.
    pub fn reserve(&mut self, chunk: Arc<Chunk>) {
        self.sequence += 1;
        self.reserved.push(InFlightAttempt {
            attempt: Attempt {
                generation: self.generation,
                sequence: self.sequence,
            },
            chunk,
        });
    }

    /// Attempts that have their number.
    fn in_flight(&self) -> usize {
        self.sent.len() + self.unsent()
    }

    fn unsent(&self) -> usize {
        self.ahead.len() + self.unconfirmed.len() + self.reserved.len()
    }

    /// How many slots have no attempt yet.
    pub fn free(&self) -> usize {
        self.window.size().saturating_sub(self.in_flight())
    }

    pub fn has_reserved(&self) -> bool {
        !self.reserved.is_empty()
    }

    /// Marks the reserved attempts as part of the checkpoint that is being written from now on.
    pub fn begin_checkpoint(&mut self) {
        self.unconfirmed.append(&mut self.reserved);
    }

    /// The checkpoint was written.
    pub fn confirm(&mut self) {
        self.ahead.extend(self.unconfirmed.drain(..));
    }

    /// Puts attempts of a written checkpoint in flight, as many as there are slots. Returns them to be sent, each with its
    /// share of the limit on requests. During a `listing`, slots are left for more attempts.
    pub fn send(&mut self, listing: bool) -> Vec<(InFlightAttempt, Option<f64>)> {
        let mut sent = Vec::new();
        while self.sent.len() < self.window.size() && self.shares.as_ref().is_none_or(|shares| shares.allow(1)) {
            let bytes = self.ahead.front().map_or(0, |attempt| attempt.chunk.bytes());
            // A request stays in memory until its response.
            if self.bytes_in_flight + bytes > self.max_bytes && !self.sent.is_empty() {
                break;
            }
            let Some(attempt) = self.ahead.pop_front() else { break };
            let places = self.parallel.saturating_sub(self.sent.len() + 1);
            let waiting = self.unsent() + self.ready.len() + self.delayed.len();
            let others = if listing { places } else { places.min(waiting) };
            let slots = self.shares.as_mut().map_or(0, |shares| shares.take(others));
            let share = self.shares.as_ref().map(|shares| shares.requests_per_second(slots));
            self.last_sent = attempt.attempt.sequence;
            // While it is in flight, its objects are not kept.
            let unloaded = InFlightAttempt {
                chunk: Arc::new(attempt.chunk.unloaded()),
                ..attempt
            };
            self.bytes_in_flight += bytes;
            let in_flight = Sent {
                attempt: unloaded,
                slots,
                bytes,
            };
            self.sent.insert(self.last_sent, in_flight);
            sent.push((attempt, share));
        }
        sent
    }

    /// Turns the attempts that were not sent into waiting chunks again.
    pub fn recall(&mut self) {
        let Self {
            ahead,
            unconfirmed,
            reserved,
            ready,
            ..
        } = self;
        let unsent = ahead.drain(..).chain(unconfirmed.drain(..)).chain(reserved.drain(..));
        ready.extend(unsent.map(|attempt| attempt.chunk));
    }

    /// Removes an attempt that has a result.
    pub fn complete(&mut self, sequence: u64) -> InFlightAttempt {
        let Sent { attempt, slots, bytes } = self
            .sent
            .remove(&sequence)
            .expect("only attempts in flight have results");
        self.bytes_in_flight -= bytes;
        if let Some(shares) = &mut self.shares {
            shares.give_back(slots);
        }
        attempt
    }

    /// Removes all attempts in flight, whose results are no longer waited for.
    pub fn abandon(&mut self) -> Vec<InFlightAttempt> {
        let sequences: Vec<u64> = self.sent.keys().copied().collect();
        sequences.into_iter().map(|sequence| self.complete(sequence)).collect()
    }

    /// Makes the window smaller, because attempt `sequence` was throttled.
    pub fn throttled(&mut self, sequence: u64) {
        self.window.shrink(sequence, self.last_sent);
    }

    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty() && self.in_flight() == 0
    }

    /// Whether the chunks that are not sent yet take all the memory that they may take.
    pub fn is_full(&self) -> bool {
        let unsent = self.ahead.iter().chain(&self.unconfirmed).chain(&self.reserved);
        let unsent = unsent.map(|attempt| attempt.chunk.bytes());
        let ready = self.ready.iter().map(|chunk| chunk.bytes());
        unsent.chain(ready).sum::<usize>() > self.max_bytes / WAITING_SHARE
    }

    /// How many chunks can be sent now.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many keys these chunks have.
    pub fn ready_keys(&self) -> usize {
        self.ready.iter().map(|chunk| chunk.keys).sum()
    }

    /// The attempts that a checkpoint must name as in flight.
    pub fn attempts(&self) -> impl Iterator<Item = &InFlightAttempt> {
        let sent = self.sent.values().map(|sent| &sent.attempt);
        sent.chain(&self.ahead).chain(&self.unconfirmed)
    }

    /// The chunks that a checkpoint must name as waiting.
    pub fn queue(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        let reserved = self.reserved.iter().map(|attempt| &attempt.chunk);
        self.ready.iter().chain(self.delayed.values()).chain(reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Body, Content, Lines, Tries};
    use crate::request::Request;

    fn dispatch(parallel: usize, max_requests_per_second: Option<f64>, chunks: u64) -> Dispatch {
        let request = Request {
            source: Some("s3://photos/".parse().unwrap()),
            destination: Some("s3://photos-out/".parse().unwrap()),
            parallel: Some(parallel),
            max_requests_per_second,
            ..Request::default()
        };
        let job = Job::from_request(&request, "job").unwrap();
        let mut dispatch = Dispatch::new(&job, 3, 1000);
        (0..chunks).for_each(|number| dispatch.push(chunk(number)));
        dispatch
    }

    fn chunk(number: u64) -> Arc<Chunk> {
        Arc::new(Chunk {
            number,
            keys: 0,
            content: Content::File {
                body: Body {
                    generation: 3,
                    number,
                    start: 0,
                    len: 0,
                    job_id: None,
                },
                lines: Some(Lines::new(&[])),
            },
            tries: Tries::default(),
        })
    }

    fn reserve(dispatch: &mut Dispatch) {
        while dispatch.is_short()
            && let Some(chunk) = dispatch.next_ready()
        {
            dispatch.reserve(chunk);
        }
    }

    /// Sends what can be sent now. Returns sequence numbers and shares, with -1 for no share.
    fn send(dispatch: &mut Dispatch, listing: bool) -> Vec<(u64, f64)> {
        reserve(dispatch);
        dispatch.begin_checkpoint();
        dispatch.confirm();
        let sent = dispatch.send(listing);
        let pair = |(attempt, share): (InFlightAttempt, Option<f64>)| (attempt.attempt.sequence, share.unwrap_or(-1.0));
        let mut sent: Vec<_> = sent.into_iter().map(pair).collect();
        sent.sort_by_key(|(sequence, _)| *sequence);
        sent
    }

    #[test]
    fn an_attempt_is_sent_only_after_it_is_in_a_checkpoint() {
        let mut dispatch = dispatch(2, None, 6);
        assert_eq!(dispatch.attempts().count(), 0);
        reserve(&mut dispatch);
        assert!(dispatch.has_reserved() && dispatch.attempts().count() == 0);
        assert_eq!(dispatch.queue().count(), 6, "a reserved attempt is not in flight yet");
        assert!(dispatch.send(false).is_empty());
        dispatch.begin_checkpoint();
        assert!(dispatch.send(false).is_empty());
        // Two for the slots, and one ahead.
        assert_eq!((dispatch.attempts().count(), dispatch.queue().count()), (3, 3));
        reserve(&mut dispatch);
        assert!(!dispatch.has_reserved());
        dispatch.confirm();
        let sent = dispatch.send(false);
        assert_eq!(sent.len(), 2);
        assert!(
            sent.iter()
                .all(|(attempt, share)| attempt.attempt.generation == 3 && share.is_none())
        );
        assert_eq!((dispatch.attempts().count(), dispatch.queue().count()), (3, 3));
        // The next attempt waits for no checkpoint.
        assert_eq!(dispatch.complete(1).chunk.number, 0);
        let sent = dispatch.send(false);
        assert_eq!((sent.len(), sent[0].0.attempt.sequence), (1, 3));
        assert_eq!(dispatch.abandon().len(), 2);
        assert!(!dispatch.is_empty());
    }

    #[test]
    fn an_attempt_in_flight_keeps_no_objects() {
        let mut dispatch = dispatch(1, None, 1);
        reserve(&mut dispatch);
        dispatch.begin_checkpoint();
        dispatch.confirm();
        let (attempt, _) = dispatch.send(false).remove(0);
        assert!(attempt.chunk.lines().is_some());
        assert!(dispatch.complete(1).chunk.lines().is_none());
    }

    #[test]
    fn requests_in_flight_have_a_limit_of_bytes() {
        let mut dispatch = dispatch(5, None, 0);
        // Each has four keys, which are not in memory, and counts as 400 bytes.
        for number in 0..5 {
            let chunk = Chunk {
                keys: 4,
                ..chunk(number).unloaded()
            };
            assert_eq!(dispatch.is_full(), number > 0);
            dispatch.push(Arc::new(chunk));
        }
        assert_eq!(send(&mut dispatch, false).len(), 2);
        dispatch.complete(1);
        assert_eq!(send(&mut dispatch, false), [(3, -1.0)]);
        // One may always be sent.
        dispatch.abandon();
        dispatch.max_bytes = 100;
        assert_eq!(send(&mut dispatch, false).len(), 1);
    }

    #[test]
    fn recalled_chunks_wait_again() {
        let mut dispatch = dispatch(3, Some(30.0), 7);
        assert_eq!(send(&mut dispatch, false).len(), 3);
        reserve(&mut dispatch);
        dispatch.recall();
        assert_eq!((dispatch.attempts().count(), dispatch.queue().count()), (3, 4));
        dispatch.confirm();
        assert!(dispatch.send(false).is_empty());
        // The numbers are not reused.
        dispatch.abandon();
        let sequences: Vec<u64> = send(&mut dispatch, false)
            .iter()
            .map(|(sequence, _)| *sequence)
            .collect();
        assert_eq!(sequences, [6, 7, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_chunk_waits_until_it_is_due() {
        let mut dispatch = dispatch(2, None, 0);
        let started = tokio::time::Instant::now();
        dispatch.push_after(Duration::from_secs(20), chunk(1));
        dispatch.push_after(Duration::from_secs(10), chunk(2));
        assert!(dispatch.has_delayed() && dispatch.ready() == 0 && !dispatch.is_empty());
        assert_eq!(dispatch.queue().count(), 2);
        dispatch.until_due().await;
        assert!(started.elapsed() >= Duration::from_secs(10) && started.elapsed() < Duration::from_secs(20));
        assert_eq!((dispatch.ready(), dispatch.queue().next().unwrap().number), (1, 2));
        dispatch.until_due().await;
        assert!(!dispatch.has_delayed() && dispatch.ready() == 2);
    }

    #[test]
    fn attempts_in_flight_have_equal_shares() {
        let mut dispatch = dispatch(3, Some(100.0), 10);
        let sent = send(&mut dispatch, true);
        assert_eq!(sent.len(), 3);
        assert!(
            sent.iter().all(|(_, share)| (share - 100.0 / 3.0).abs() < 1e-9),
            "{sent:?}"
        );
        assert!(send(&mut dispatch, true).is_empty());
        dispatch.complete(2);
        let sent = send(&mut dispatch, true);
        assert!((sent[0].1 - 100.0 / 3.0).abs() < 1e-9, "{sent:?}");
    }

    #[test]
    fn during_a_listing_slots_are_left_for_more_attempts() {
        let mut dispatch = dispatch(4, Some(100.0), 1);
        assert_eq!(send(&mut dispatch, true), [(1, 25.0)]);
        // After the listing, the last chunks get all remaining slots.
        dispatch.push(chunk(1));
        dispatch.push(chunk(2));
        let sent = send(&mut dispatch, false);
        let sum: f64 = sent.iter().map(|(_, share)| share).sum();
        assert!(sent.len() == 2 && (sum - 75.0).abs() < 1e-9, "{sent:?}");
    }

    #[test]
    fn the_last_chunk_gets_the_whole_limit() {
        let mut dispatch = dispatch(4, Some(100.0), 5);
        assert_eq!(send(&mut dispatch, false).len(), 4);
        for sequence in 1..=4 {
            dispatch.complete(sequence);
        }
        assert_eq!(send(&mut dispatch, false), [(5, 100.0)]);
        // A chunk that is added in the meantime waits for these slots.
        dispatch.push(chunk(9));
        assert!(send(&mut dispatch, false).is_empty());
        dispatch.complete(5);
        assert_eq!(send(&mut dispatch, false), [(6, 100.0)]);
    }

    #[test]
    fn the_limit_holds_with_any_attempts_in_flight() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let parallel = random.usize(1..50);
            let mut dispatch = dispatch(parallel, Some(1000.0), random.u64(0..100));
            let mut in_flight = BTreeMap::new();
            for number in 1000..1100 {
                for (sequence, share) in send(&mut dispatch, random.bool()) {
                    assert!(share >= 1000.0 / parallel as f64 - 1e-9);
                    in_flight.insert(sequence, share);
                }
                assert!(in_flight.values().sum::<f64>() <= 1000.0 + 1e-6, "{in_flight:?}");
                if random.bool() {
                    dispatch.push(chunk(number));
                }
                let ended: Vec<u64> = in_flight.keys().copied().filter(|_| random.u8(0..3) == 0).collect();
                for sequence in ended {
                    dispatch.complete(sequence);
                    in_flight.remove(&sequence);
                }
            }
        }
    }
}
