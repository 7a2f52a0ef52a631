//! Waiting chunks and attempts in flight. An attempt is reserved first, then written into a checkpoint, and only then
//! sent.

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

pub struct Dispatch {
    parallel: usize,
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
    /// Attempts in flight by their sequence number, each with its slots of the limit on requests.
    sent: BTreeMap<u64, (InFlightAttempt, usize)>,
    generation: u32,
    sequence: u64,
    pub window: Window,
}

impl Dispatch {
    pub fn new(job: &Job, generation: u32, queue: Vec<Arc<Chunk>>) -> Self {
        Self {
            parallel: job.parallel,
            shares: job
                .max_requests_per_second
                .map(|limit| Shares::new(limit, job.parallel)),
            ready: queue.into(),
            delayed: BTreeMap::new(),
            timers: DelayQueue::new(),
            reserved: Vec::new(),
            unconfirmed: Vec::new(),
            sent: BTreeMap::new(),
            generation,
            sequence: 0,
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

    /// Reserves attempts for ready chunks, as many as may be in flight.
    pub fn reserve(&mut self) {
        while self.in_flight() < self.window.size() && self.has_share() {
            let Some(chunk) = self.ready.pop_front() else { return };
            self.sequence += 1;
            self.reserved.push(InFlightAttempt {
                attempt: Attempt {
                    generation: self.generation,
                    sequence: self.sequence,
                },
                chunk,
            });
        }
    }

    fn in_flight(&self) -> usize {
        self.sent.len() + self.unconfirmed.len() + self.reserved.len()
    }

    /// Whether the limit on requests has a slot for one more attempt.
    fn has_share(&self) -> bool {
        let unsent = self.unconfirmed.len() + self.reserved.len();
        self.shares.as_ref().is_none_or(|shares| shares.allow(unsent + 1))
    }

    pub fn has_reserved(&self) -> bool {
        !self.reserved.is_empty()
    }

    /// Marks the reserved attempts as part of the checkpoint that is being written from now on.
    pub fn begin_checkpoint(&mut self) {
        self.unconfirmed.append(&mut self.reserved);
    }

    /// Puts the attempts of the written checkpoint in flight. Returns them to be sent, each with its share of the limit
    /// on requests. During a `listing`, slots are left for more attempts.
    pub fn confirm(&mut self, listing: bool) -> Vec<(InFlightAttempt, Option<f64>)> {
        let mut confirmed = Vec::new();
        while let Some(attempt) = self.unconfirmed.pop() {
            let places = self.parallel.saturating_sub(self.sent.len() + 1);
            let waiting = self.unconfirmed.len() + self.reserved.len() + self.ready.len() + self.delayed.len();
            let others = if listing { places } else { places.min(waiting) };
            let slots = self.shares.as_mut().map_or(0, |shares| shares.take(others));
            let share = self.shares.as_ref().map(|shares| shares.requests_per_second(slots));
            self.sent.insert(attempt.attempt.sequence, (attempt.clone(), slots));
            confirmed.push((attempt, share));
        }
        confirmed
    }

    /// Turns the attempts that were not sent into waiting chunks again.
    pub fn recall(&mut self) {
        let unsent = self.reserved.drain(..).chain(self.unconfirmed.drain(..));
        self.ready.extend(unsent.map(|attempt| attempt.chunk));
    }

    /// Removes an attempt that has a result.
    pub fn complete(&mut self, sequence: u64) -> InFlightAttempt {
        let (attempt, slots) = self
            .sent
            .remove(&sequence)
            .expect("only attempts in flight have results");
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
        self.window.shrink(sequence, self.sequence);
    }

    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty() && self.in_flight() == 0
    }

    /// How many chunks can be sent now.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The attempts that a checkpoint must name as in flight.
    pub fn attempts(&self) -> impl Iterator<Item = &InFlightAttempt> {
        self.sent.values().map(|(attempt, _)| attempt).chain(&self.unconfirmed)
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
    use crate::chunk::Tries;
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
        Dispatch::new(&job, 3, (0..chunks).map(chunk).collect())
    }

    fn chunk(number: u64) -> Arc<Chunk> {
        Arc::new(Chunk {
            number,
            objects: Vec::new(),
            tries: Tries::default(),
        })
    }

    /// Sends what can be sent now. Returns sequence numbers and shares, with -1 for no share.
    fn send(dispatch: &mut Dispatch, listing: bool) -> Vec<(u64, f64)> {
        dispatch.reserve();
        dispatch.begin_checkpoint();
        let sent = dispatch.confirm(listing);
        let pair = |(attempt, share): (InFlightAttempt, Option<f64>)| (attempt.attempt.sequence, share.unwrap_or(-1.0));
        let mut sent: Vec<_> = sent.into_iter().map(pair).collect();
        sent.sort_by_key(|(sequence, _)| *sequence);
        sent
    }

    #[test]
    fn an_attempt_is_sent_only_after_it_is_in_a_checkpoint() {
        let mut dispatch = dispatch(2, None, 3);
        assert_eq!(dispatch.attempts().count(), 0);
        dispatch.reserve();
        assert!(dispatch.has_reserved() && dispatch.attempts().count() == 0);
        assert_eq!(dispatch.queue().count(), 3, "a reserved attempt is not in flight yet");
        dispatch.begin_checkpoint();
        assert_eq!((dispatch.attempts().count(), dispatch.queue().count()), (2, 1));
        dispatch.reserve();
        assert!(!dispatch.has_reserved(), "the window is full");
        let sent = dispatch.confirm(false);
        assert_eq!(sent.len(), 2);
        assert!(
            sent.iter()
                .all(|(attempt, share)| attempt.attempt.generation == 3 && share.is_none())
        );
        assert_eq!((dispatch.attempts().count(), dispatch.queue().count()), (2, 1));
        let attempt = dispatch.complete(1);
        assert_eq!((attempt.chunk.number, dispatch.attempts().count()), (0, 1));
        assert_eq!(send(&mut dispatch, false), [(3, -1.0)]);
        assert_eq!(dispatch.abandon().len(), 2);
        assert!(dispatch.is_empty());
    }

    #[test]
    fn recalled_chunks_wait_again() {
        let mut dispatch = dispatch(3, Some(30.0), 4);
        dispatch.reserve();
        dispatch.begin_checkpoint();
        dispatch.recall();
        assert_eq!((dispatch.attempts().count(), dispatch.queue().count()), (0, 4));
        assert!(dispatch.confirm(false).is_empty());
        // The numbers are not reused.
        let sequences: Vec<u64> = send(&mut dispatch, false)
            .iter()
            .map(|(sequence, _)| *sequence)
            .collect();
        assert_eq!(sequences, [4, 5, 6]);
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
