//! A chunk of objects, and an attempt in flight.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::object::ObjectRef;
use shared::protocol::attempt::Attempt;

/// The objects of one processor invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// From 0. Each number names one chunk of a job.
    pub number: u64,
    pub objects: Vec<ObjectRef>,
    #[serde(default)]
    pub tries: Tries,
}

/// How many attempts of a chunk ended in each way.
///
/// The aliases are the names in layout 1 of the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// The processor died, or its response was lost.
    #[serde(alias = "died")]
    pub lost: u32,
    /// Lambda throttled the attempt.
    pub throttled: u32,
    /// Lambda was unavailable.
    pub unavailable: u32,
    /// The processor's credentials had expired, or were not accepted.
    #[serde(default)]
    pub without_credentials: u32,
    /// The response returned every key as unprocessed.
    #[serde(alias = "returned")]
    pub unprocessed: u32,
}

/// An attempt that may be running. The checkpoint holds it from before it is sent until its result is known or it has
/// been given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightAttempt {
    pub attempt: Attempt,
    pub chunk: Arc<Chunk>,
}
