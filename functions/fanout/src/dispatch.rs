//! The chunks of a run on their way: to be sent, written down before they are, and in flight.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shared::chunk::Attempt;
use tokio::time::Instant;

use crate::checkpoint::Open;
use crate::plan::Chunk;
use crate::request::Job;
use crate::window::Window;

pub struct Dispatch {
    parallel: usize,
    max_requests_per_second: Option<f64>,
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
    generation: u32,
    sequence: u64,
    pub window: Window,
}

impl Dispatch {
    pub fn new(job: &Job, generation: u32, queue: Vec<Arc<Chunk>>) -> Self {
        Self {
            parallel: job.parallel,
            max_requests_per_second: job.max_requests_per_second,
            ready: queue.into(),
            delayed: Vec::new(),
            reserved: Vec::new(),
            writing: Vec::new(),
            sent: BTreeMap::new(),
            generation,
            sequence: 0,
            window: Window::new(job.parallel),
        }
    }

    /// Puts a chunk up to be sent, now or after some time.
    pub fn push(&mut self, chunk: Arc<Chunk>, wait: Option<Duration>) {
        match wait {
            Some(wait) => self.delayed.push((Instant::now() + wait, chunk)),
            None => self.ready.push_back(chunk),
        }
    }

    /// Gives attempts their numbers, as many as may be in flight.
    pub fn reserve(&mut self) {
        let now = Instant::now();
        let (due, delayed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.delayed = delayed;
        self.ready.extend(due.into_iter().map(|(_, chunk)| chunk));
        while self.in_flight() < self.window.size() && self.has_share() {
            let Some(chunk) = self.ready.pop_front() else { return };
            self.sequence += 1;
            self.reserved.push(Open {
                attempt: Attempt {
                    generation: self.generation,
                    sequence: self.sequence,
                },
                chunk,
            });
        }
    }

    fn in_flight(&self) -> usize {
        self.sent.len() + self.writing.len() + self.reserved.len()
    }

    /// The reserved attempts are being written down from now on.
    pub fn write(&mut self) {
        self.writing.append(&mut self.reserved);
    }

    /// They have been, and may be sent.
    pub fn written(&mut self) -> Vec<Open> {
        std::mem::take(&mut self.writing)
    }

    /// Nothing more is sent: what has a number and was not sent waits again.
    pub fn recall(&mut self) {
        let unsent = self.reserved.drain(..).chain(self.writing.drain(..));
        self.ready.extend(unsent.map(|open| open.chunk));
    }

    /// An attempt is sent, as the next of `count`; its share of the limit on requests.
    pub fn send(&mut self, open: &Open, count: usize, is_listed: bool) -> Option<f64> {
        let share = self.share(count, is_listed);
        self.sent.insert(open.attempt.sequence, (open.clone(), share));
        share
    }

    /// An attempt has been answered, or is given up.
    pub fn answered(&mut self, sequence: u64) -> Open {
        let (open, _) = self
            .sent
            .remove(&sequence)
            .expect("only attempts in flight are answered");
        open
    }

    /// All that is in flight, and will not be waited for.
    pub fn abandon(&mut self) -> impl Iterator<Item = Open> + use<> {
        std::mem::take(&mut self.sent).into_values().map(|(open, _)| open)
    }

    /// Attempt `sequence` met a throttle.
    pub fn throttled(&mut self, sequence: u64) {
        self.window.shrink(sequence, self.sequence);
    }

    pub fn has_reserved(&self) -> bool {
        !self.reserved.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty() && self.in_flight() == 0
    }

    /// Chunks that could be sent at once.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// When a delayed chunk is due.
    pub fn due(&self) -> Option<Instant> {
        self.delayed.iter().map(|(at, _)| *at).min()
    }

    /// What a checkpoint must say may have been sent.
    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.sent.values().map(|(open, _)| open).chain(&self.writing)
    }

    /// What a checkpoint must say waits.
    pub fn queue(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        let delayed = self.delayed.iter().map(|(_, chunk)| chunk);
        let reserved = self.reserved.iter().map(|open| &open.chunk);
        self.ready.iter().chain(delayed).chain(reserved)
    }

    /// What attempts in flight leave of the limit on requests.
    fn unshared(&self, limit: f64) -> f64 {
        limit - self.sent.values().filter_map(|(_, share)| *share).sum::<f64>()
    }

    /// Whether one more attempt can have as much as each of `parallel` would.
    fn has_share(&self) -> bool {
        self.max_requests_per_second.is_none_or(|limit| {
            let waiting = (self.writing.len() + self.reserved.len() + 1) as f64;
            // Rounding must not keep the last one back.
            self.unshared(limit) * 1.000_001 >= waiting * limit / self.parallel as f64
        })
    }

    /// The share of the next of `count` attempts: others follow where there are places or, once all is
    /// listed, chunks.
    fn share(&self, count: usize, is_listed: bool) -> Option<f64> {
        let limit = self.max_requests_per_second?;
        let places = self.parallel - self.sent.len().min(self.parallel - 1);
        let to_come = if is_listed {
            count + self.reserved.len() + self.ready.len() + self.delayed.len()
        } else {
            places
        };
        Some(self.unshared(limit) / places.min(to_come) as f64)
    }
}
