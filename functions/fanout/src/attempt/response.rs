//! Reads the response of the processor.

use std::collections::HashSet;

use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use shared::object::ObjectRef;
use shared::protocol::attempt::Attempt;
use shared::protocol::chunk::ChunkResponse;

use super::result::AttemptResult;
use crate::chunk::InFlightAttempt;

/// Error types of the processor that every other chunk would meet, too.
const SYSTEMIC: [&str; 4] = [
    "SourceUnusable",
    "DestinationRefused",
    "DestinationInsideSource",
    "BadEvent",
];

/// How an attempt was lost.
#[derive(Debug)]
pub enum Loss {
    Unavailable(String),
    Died(String),
    /// The processor's credentials have expired. The next invocation runs in another process.
    CredentialsExpired(String),
    /// S3 does not accept the processor's credentials.
    CredentialsRefused(String),
}

/// The error of a function, as Lambda reports it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionError {
    error_type: String,
}

/// Whether a body is the error of a function, and not of Lambda.
pub fn is_function_error(body: &[u8]) -> bool {
    serde_json::from_slice::<FunctionError>(body).is_ok()
}

pub fn from_function_error(payload: &[u8]) -> Result<AttemptResult, Loss> {
    let what = format!("the processor failed: {:.500}", String::from_utf8_lossy(payload));
    match serde_json::from_slice::<FunctionError>(payload) {
        Ok(error) => match error.error_type.as_str() {
            "CredentialsExpired" => Err(Loss::CredentialsExpired(what)),
            "CredentialsRefused" => Err(Loss::CredentialsRefused(what)),
            systemic if SYSTEMIC.contains(&systemic) => Ok(AttemptResult::Rejected(what)),
            _ => Err(Loss::Died(what)),
        },
        Err(_) => Err(Loss::Died(what)),
    }
}

pub fn from_output(output: &InvokeOutput, attempt: &InFlightAttempt) -> Result<AttemptResult, Loss> {
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    if output.function_error().is_some() {
        return from_function_error(payload);
    }
    let nonsense = |problem: String| Loss::Died(format!("the processor's response is not valid: {problem}"));
    let response: ChunkResponse = serde_json::from_slice(payload).map_err(|error| nonsense(error.to_string()))?;
    let chunk = &attempt.chunk;
    match contradiction(&response, chunk.number, attempt.attempt, &chunk.objects) {
        None => Ok(AttemptResult::Response(Box::new(response))),
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
