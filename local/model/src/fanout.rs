use std::collections::BTreeMap;

use crate::store::{Attempt, Checkpoint, InFlight, Keys};

/// One invocation of fanout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fanout {
    pub number: usize,
    /// `None`: it does not work on the job, or not any longer.
    pub work: Option<Work>,
}

/// What an invocation that works on the job knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work {
    pub generation: u8,
    pub revision: u8,
    /// Of the last checkpoint that it has written or read.
    pub etag: u8,
    pub ok: Keys,
    pub queue: Vec<Keys>,
    /// Attempts that a written checkpoint may name.
    pub in_flight: InFlight,
    /// What it does about each of them.
    pub stages: BTreeMap<Attempt, Stage>,
    /// The last attempt.
    pub sequence: u8,
    /// The checkpoint that is being written.
    pub saving: Option<Checkpoint>,
    /// Whether anything has changed since the last checkpoint.
    pub is_dirty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The next checkpoint must name it before it is sent.
    Reserved,
    Sent,
    /// Its invocation was lost, or an earlier invocation of fanout has left it behind.
    Lost,
}

impl Work {
    /// Takes a job over.
    pub fn take_over(checkpoint: &Checkpoint, etag: u8) -> Self {
        let left_behind = checkpoint.in_flight.keys();
        Self {
            generation: checkpoint.generation + 1,
            revision: 0,
            etag,
            ok: checkpoint.ok,
            queue: checkpoint.queue.clone(),
            stages: left_behind.map(|&attempt| (attempt, Stage::Lost)).collect(),
            in_flight: checkpoint.in_flight.clone(),
            sequence: 0,
            saving: None,
            is_dirty: true,
        }
    }

    /// Whether there is a waiting chunk that may be sent: the job was claimed, and what was left behind is given up.
    pub fn may_reserve(&self, max_sequence: u8) -> bool {
        let has_lost = self.stages.values().any(|&stage| stage == Stage::Lost);
        self.revision > 0 && !has_lost && self.sequence < max_sequence && !self.queue.is_empty()
    }

    /// Reserves an attempt for the next waiting chunk.
    pub fn reserve(&mut self) -> (Attempt, Keys) {
        let keys = self.queue.remove(0);
        self.sequence += 1;
        let attempt = Attempt {
            generation: self.generation,
            sequence: self.sequence,
        };
        self.in_flight.insert(attempt, keys);
        self.stages.insert(attempt, Stage::Reserved);
        (attempt, keys)
    }

    pub fn checkpoint(&mut self, owner: usize) -> Checkpoint {
        self.revision += 1;
        self.is_dirty = false;
        Checkpoint {
            generation: self.generation,
            owner,
            revision: self.revision,
            ok: self.ok,
            queue: self.queue.clone(),
            in_flight: self.in_flight.clone(),
            is_completed: self.queue.is_empty() && self.in_flight.is_empty(),
        }
    }

    /// An attempt has ended with these keys `ok`. The others wait again.
    pub fn settle(&mut self, attempt: Attempt, ok: Keys) {
        let Some(keys) = self.in_flight.remove(&attempt) else {
            return;
        };
        self.stages.remove(&attempt);
        self.ok = self.ok.with(ok);
        let rest = keys.without(ok);
        if !rest.is_empty() {
            self.queue.push(rest);
        }
        self.is_dirty = true;
    }
}
