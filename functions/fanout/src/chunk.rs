//! A chunk of objects, and an attempt at it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::object::ObjectRef;
use shared::protocol::attempt::Attempt;

/// Objects that one invocation is to process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// From 0, each number once in a job.
    pub number: u64,
    pub objects: Vec<ObjectRef>,
    #[serde(default)]
    pub tries: Tries,
}

/// How often attempts at a chunk ended in one way or another. The aliases are the names of layout 1 of the
/// checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// The processor died, or its response was lost.
    #[serde(alias = "died")]
    pub lost: u32,
    /// Lambda had no room.
    pub throttled: u32,
    /// Lambda was out of order.
    pub unavailable: u32,
    /// Every key came back unprocessed.
    #[serde(alias = "returned")]
    pub unprocessed: u32,
}

/// One attempt at a chunk that may be at work: it is in the checkpoint before it is sent, and until its
/// result is known or it has been given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightAttempt {
    pub attempt: Attempt,
    pub chunk: Arc<Chunk>,
}
