//! Starts the next invocation of fanout for a long job.

use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use backon::{ExponentialBuilder, Retryable as _};
use lambda_runtime::tracing::info;
use serde::{Deserialize, Serialize};
use shared::destination::Destination;
use shared::object::S3Uri;
use shared::s3::Cause;
use tokio::time::timeout;

use super::Session;
use crate::store::{Checkpoint, Header};

/// The most invocations of one job, which take ten days. A job that needs more is assumed to make no progress.
const MAX_GENERATIONS: u32 = 1000;

/// How long Lambda may take to accept the next invocation.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(3);

const MAX_BACKOFF: Duration = Duration::from_secs(4);
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_factor(2.0)
    .with_max_delay(MAX_BACKOFF)
    .without_max_times()
    .with_jitter();

/// The request that fanout and the schedule of a job send to fanout. It continues the job, unless an invocation works on
/// it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuation {
    /// Where the files of the job are.
    pub destination: S3Uri,
    pub continue_job: String,
    /// Earlier versions of fanout have sent it.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "it is only accepted")]
    generation: Option<u32>,
}

impl Continuation {
    pub fn new(destination: &Destination, job_id: &str) -> Self {
        Self {
            destination: destination.records_uri(),
            continue_job: job_id.to_owned(),
            generation: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    #[error("the job is not done after {MAX_GENERATIONS} invocations of fanout")]
    TooManyGenerations,
    #[error("the time was up, and the next invocation could not be started: {0}")]
    NotStarted(String),
}

/// Starts the next invocation. Retries while there is time.
pub async fn hand_over(session: &Session<'_>, checkpoint: &Checkpoint) -> Result<(), HandOverError> {
    let header = &checkpoint.header;
    let generation = header.generation + 1;
    if generation > MAX_GENERATIONS {
        return Err(HandOverError::TooManyGenerations);
    }
    let payload = serde_json::to_vec(&Continuation::new(&header.output(), &header.job_id));
    let payload = Blob::new(payload.expect("a continuation is valid JSON"));
    // Time for the wait before the next try, for the try itself, and for reading the checkpoint after it. Jitter may
    // double the wait.
    let next_try = MAX_BACKOFF * 2 + ACCEPT_TIMEOUT * 2;
    (|| start_next(session, header, generation, &payload))
        .retry(BACKOFF)
        .when(|_| session.clock().now() + next_try <= session.deadline)
        .await
        .map_err(HandOverError::NotStarted)?;
    info!(generation, "the time is up; the next invocation continues the job");
    Ok(())
}

async fn start_next(session: &Session<'_>, header: &Header, generation: u32, payload: &Blob) -> Result<(), String> {
    let function = &session.app.config.function;
    let sent = session
        .app
        .lambda
        .invoke()
        .function_name(function)
        .invocation_type(InvocationType::Event)
        .payload(payload.clone())
        .send();
    let problem = match timeout(ACCEPT_TIMEOUT, sent).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => format!("invoking {function}: {}", Cause::from_sdk(&error)),
        Err(_) => format!("invoking {function}: no response in time"),
    };
    // Perhaps only the response was lost. Then the checkpoint has the new generation.
    match Checkpoint::load(&session.s3, &header.output(), &header.job_id).await {
        Ok(found) if found.checkpoint.header.generation >= generation => Ok(()),
        _ => Err(problem),
    }
}
