//! Reads the response of the processor.

use std::collections::HashSet;

use shared::object::ObjectRef;
use shared::protocol::attempt::Attempt;
use shared::protocol::chunk::ChunkResponse;

use super::call::Loss;
use crate::chunk::InFlightAttempt;

/// Reads the response to an attempt. A response that contradicts its chunk counts as a death of the processor.
pub fn read(payload: &[u8], attempt: &InFlightAttempt) -> Result<ChunkResponse, Loss> {
    let nonsense = |problem: String| Loss::Died(format!("the processor's response is not valid: {problem}"));
    let response: ChunkResponse = serde_json::from_slice(payload).map_err(|error| nonsense(error.to_string()))?;
    let chunk = &attempt.chunk;
    match contradiction(&response, chunk.number, attempt.attempt, &chunk.objects) {
        None => Ok(response),
        Some(problem) => Err(nonsense(problem)),
    }
}

/// What is wrong with a response. Each sent key must have exactly one outcome.
fn contradiction(response: &ChunkResponse, chunk: u64, attempt: Attempt, sent: &[ObjectRef]) -> Option<String> {
    if response.chunk != chunk || response.attempt != attempt.to_string() {
        return Some(format!(
            "it is for attempt {} of chunk {}, which was not sent",
            response.attempt, response.chunk
        ));
    }
    let named = response
        .failed
        .iter()
        .map(|failed| &failed.key)
        .chain(&response.unprocessed);
    let mut unnamed: HashSet<&str> = sent.iter().map(|object| object.key.as_str()).collect();
    for key in named {
        if !unnamed.remove(key.as_str()) {
            return Some(format!("key {key:?} was not sent, or has two outcomes"));
        }
    }
    let Some(counted) = response.ok.checked_add(response.skipped) else {
        return Some("its counters overflow".to_owned());
    };
    (counted != unnamed.len() as u64 || response.with_exif > response.ok).then(|| {
        format!(
            "it counts {counted} of {} objects as ok or skipped, and names {} as failed or unprocessed",
            sent.len(),
            sent.len() - unnamed.len()
        )
    })
}
