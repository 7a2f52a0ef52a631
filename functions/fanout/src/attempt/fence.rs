//! Gives attempts up. The fence keeps their processors from committing.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use lambda_runtime::tracing::warn;
use shared::modes::Records;
use shared::object::Key;
use shared::protocol::attempt::Attempt;
use shared::protocol::found::{Excerpt, RecordLine};
use shared::s3::{self, Condition, ConditionalWrite};

use super::result::GivenUp;
use crate::chunk::InFlightAttempt;
use crate::job::Job;
use crate::store::{self, bodies};

/// In addition to the SDK's attempts, because the chunk cannot be sent again without a fence.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(1))
    .with_factor(2.0)
    .with_max_times(3);

/// The most attempts that are given up at the same time, and the most keys in them. Each attempt may have a record file
/// to read, with about 3 KB per key.
const MAX_ATTEMPTS_AT_ONCE: usize = 16;
const MAX_KEYS_AT_ONCE: usize = 10_000;

#[derive(Debug, thiserror::Error)]
#[error("attempt {attempt} cannot be given up: {source}")]
pub struct FenceError {
    attempt: Attempt,
    pub source: store::Error,
}

/// What the records of an attempt say, by key.
type Committed = HashMap<Key, Excerpt>;

/// Gives an attempt up. Returns what it had committed.
async fn give_up(s3: &Client, job: &Job, attempt: &InFlightAttempt) -> Result<Committed, FenceError> {
    if job.records != Records::Ndjson {
        // There is no commit. Another attempt writes the same bytes to the same keys.
        return Ok(Committed::new());
    }
    (|| fence(s3, job, attempt))
        .retry(BACKOFF)
        .when(s3::Error::is_retryable)
        .await
        .map_err(|source| FenceError {
            attempt: attempt.attempt,
            source: source.into(),
        })
}

/// Gives an attempt up. Also returns the objects that it had not committed.
pub async fn give_up_with_rest(s3: &Client, job: &Job, attempt: &InFlightAttempt) -> Result<GivenUp, FenceError> {
    let committed = give_up(s3, job, attempt).await?;
    let objects = bodies::objects(s3, job, &attempt.chunk)
        .await
        .map_err(|source| FenceError {
            attempt: attempt.attempt,
            source,
        })?;
    let mut given_up = GivenUp::default();
    for object in objects {
        match committed.get(&object.key) {
            Some(excerpt) => given_up.committed.add(&object.key, excerpt),
            None => given_up.remaining.push(object),
        }
    }
    Ok(given_up)
}

/// What is left of an attempt that an earlier invocation left behind.
#[derive(Debug)]
pub enum LeftOver {
    /// It had committed nothing.
    All,
    Part(GivenUp),
}

async fn left_over(s3: &Client, job: &Job, attempt: &InFlightAttempt) -> Result<LeftOver, FenceError> {
    // Most of them had committed nothing, and their objects are not needed yet.
    if give_up(s3, job, attempt).await?.is_empty() {
        return Ok(LeftOver::All);
    }
    give_up_with_rest(s3, job, attempt).await.map(LeftOver::Part)
}

/// Gives up many attempts that were left behind.
pub async fn give_up_all(
    s3: &Client,
    job: &Job,
    attempts: Vec<InFlightAttempt>,
) -> Vec<(InFlightAttempt, Result<LeftOver, FenceError>)> {
    let at_once = (MAX_KEYS_AT_ONCE / job.chunk_keys).clamp(1, MAX_ATTEMPTS_AT_ONCE);
    stream::iter(attempts)
        .map(|attempt| async move { (left_over(s3, job, &attempt).await, attempt) })
        .buffer_unordered(at_once)
        .map(|(result, attempt)| (attempt, result))
        .collect()
        .await
}

async fn fence(s3: &Client, job: &Job, attempt: &InFlightAttempt) -> Result<Committed, s3::Error> {
    let destination = &job.destination;
    let file = destination.records(&job.id, attempt.chunk.number, attempt.attempt);
    let written = s3::put_object_if(s3, &file, s3::NDJSON, Bytes::new(), Condition::Absent).await?;
    if let ConditionalWrite::Written(_) = written {
        return Ok(Committed::new());
    }
    let (_, body) = s3::get_latest(s3, &file).await?;
    let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut committed = Committed::new();
    let mut damaged = 0;
    for line in lines {
        match serde_json::from_slice::<RecordLine>(line) {
            Ok(record) => {
                let excerpt = record.excerpt();
                committed.insert(record.key, excerpt);
            }
            Err(_) => damaged += 1,
        }
    }
    if damaged > 0 {
        // Nothing is lost: such a line is no record, and its image is processed again.
        warn!(%file, damaged, "lines of a record file cannot be read; their images are processed again, and the lines can be deleted");
    }
    Ok(committed)
}
