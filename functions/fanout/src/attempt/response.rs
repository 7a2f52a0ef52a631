//! Reads the response of the processor.

use std::collections::HashSet;

use shared::object::{Key, ObjectRef};
use shared::protocol::chunk::ChunkResponse;

use super::call::Loss;
use crate::chunk::InFlightAttempt;

/// Reads the response to an attempt. One that is about another chunk counts as a death of the processor.
pub fn read(payload: &[u8], attempt: &InFlightAttempt) -> Result<ChunkResponse, Loss> {
    let response: ChunkResponse = serde_json::from_slice(payload).map_err(|error| nonsense(&error.to_string()))?;
    let problem = mistake(&response, attempt);
    problem.map_or(Ok(response), |problem| Err(nonsense(&problem)))
}

/// Finds the objects that a response names as unprocessed. A response that names other keys than were sent counts as a
/// death of the processor.
pub fn unprocessed(response: &ChunkResponse, sent: &[ObjectRef]) -> Result<Vec<ObjectRef>, Loss> {
    let mut unnamed: HashSet<&str> = sent.iter().map(|object| object.key.as_str()).collect();
    let failed = response.failed.iter().map(|failed| &failed.key);
    for key in failed.chain(&response.unprocessed) {
        if !unnamed.remove(key.as_str()) {
            return Err(nonsense(&format!("key {key:?} was not sent, or has two outcomes")));
        }
    }
    let unprocessed: HashSet<&str> = response.unprocessed.iter().map(Key::as_str).collect();
    let objects = sent.iter().filter(|object| unprocessed.contains(object.key.as_str()));
    Ok(objects.cloned().collect())
}

fn nonsense(problem: &str) -> Loss {
    Loss::Died(format!("the processor's response is not valid: {problem}"))
}

/// What is wrong with the numbers of a response. Each sent key must have exactly one outcome.
fn mistake(response: &ChunkResponse, attempt: &InFlightAttempt) -> Option<String> {
    let chunk = &attempt.chunk;
    if response.chunk != chunk.number || response.attempt != attempt.attempt.to_string() {
        return Some(format!(
            "it is for attempt {} of chunk {}, which was not sent",
            response.attempt, response.chunk
        ));
    }
    let named = response.failed.len() + response.unprocessed.len();
    let Some(counted) = response.ok.checked_add(response.skipped) else {
        return Some("its counters overflow".to_owned());
    };
    let is_complete = counted.checked_add(named as u64) == Some(chunk.keys as u64);
    (!is_complete || response.with_exif > response.ok).then(|| {
        format!(
            "it counts {counted} of {} objects as ok or skipped, and names {named} as failed or unprocessed",
            chunk.keys
        )
    })
}
