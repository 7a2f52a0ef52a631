//! One attempt at a chunk.
//!
//! An attempt that does not answer may still be running, or may have done its work and lost only the
//! answer. So before its keys are sent again the attempt is given up: its record file is written here,
//! empty, unless it is there already. If it is there, its lines are done and only the other keys are
//! sent again; if not, the processor can no longer commit, and whatever it did counts for nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::{pool, tls};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use serde::Deserialize;
use shared::chunk::{Attempt, ChunkRequest, ChunkResponse, ObjectRef};
use shared::failure::{Class, Failure};
use shared::modes::Records;
use shared::s3::{self, Condition, ObjectId, Written};
use tokio::time::sleep;

use crate::checkpoint::Open;
use crate::request::Job;

/// What the processor calls an error that every other chunk would meet, too.
const SYSTEMIC: [&str; 3] = ["DestinationRefused", "DestinationInsideSource", "BadEvent"];

/// Tries at giving an attempt up, beside those of the SDK: without it its chunk cannot go on.
const FENCES: u64 = 4;

/// With a limit on requests, no more images are in flight than it lets through in this time: otherwise each
/// would have been read, and none written, when the processor's time is up.
const LIMITED_SECONDS: f64 = 30.0;

/// A client for synchronous invocations: they are silent for minutes, so connections are kept alive
/// (NAT gateways drop a flow after 350 s of silence); and the SDK must not repeat them by itself,
/// since every attempt has a number of its own.
pub fn invoke_client(sdk: &SdkConfig, timeout: Duration) -> Result<aws_sdk_lambda::Client, pool::BuildError> {
    let pool = pool::Builder::default()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .tcp_keepalive(Duration::from_secs(30))
        .build_https()?;
    let http = pool::Client::new(&pool).expect("the pool has no partitions of its own");
    let config = aws_sdk_lambda::config::Builder::from(sdk)
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(3))
                .operation_attempt_timeout(timeout)
                .build(),
        )
        .build();
    Ok(aws_sdk_lambda::Client::from_conf(config))
}

/// What all attempts of a job share.
#[derive(Clone, Copy)]
pub struct Invoker<'a> {
    pub lambda: &'a aws_sdk_lambda::Client,
    pub s3: &'a aws_sdk_s3::Client,
    pub processor: &'a str,
    pub job: &'a Job,
}

/// What an attempt came to.
#[derive(Debug)]
pub enum Answer {
    Response(Box<ChunkResponse>),
    /// Lambda had no room: the processor did not run.
    NotRun(String),
    /// Lambda is out of order; whether the processor ran is not known. The attempt is given up.
    Unavailable(String, Adopted),
    /// The processor ran and died, or its answer was lost. The attempt is given up.
    Died(String, Adopted),
    /// It did not run and never will, or every chunk would meet the same error.
    Refused(String),
    /// It is lost, and cannot be given up.
    Stuck(String),
}

/// The keys that a lost attempt had committed, and whether each has EXIF.
pub type Adopted = HashMap<String, bool>;

/// How an attempt is lost.
enum Lost {
    Unavailable(String),
    Died(String),
}

impl Invoker<'_> {
    /// Sends a chunk once, with its share of the limit on requests.
    pub async fn attempt(&self, open: &Open, max_requests_per_second: Option<f64>) -> Answer {
        let lost = match self.send(open, max_requests_per_second).await {
            Ok(answer) => return answer,
            Err(lost) => lost,
        };
        match (self.give_up(open).await, lost) {
            (Ok(adopted), Lost::Unavailable(error)) => Answer::Unavailable(error, adopted),
            (Ok(adopted), Lost::Died(error)) => Answer::Died(error, adopted),
            (Err(failure), Lost::Unavailable(error) | Lost::Died(error)) => Answer::Stuck(format!(
                "attempt {} was lost ({error}) and cannot be given up: {failure}",
                open.attempt
            )),
        }
    }

    async fn send(&self, open: &Open, max_requests_per_second: Option<f64>) -> Result<Answer, Lost> {
        let job = self.job;
        let request = ChunkRequest {
            job_id: job.id.clone(),
            chunk: open.chunk.number,
            attempt: open.attempt,
            source_bucket: job.source.bucket.clone(),
            source_prefix: job.source.prefix.clone(),
            destination: job.destination.uri(),
            images: job.images,
            records: job.records,
            concurrency: concurrency(job.concurrency, max_requests_per_second),
            max_requests_per_second,
            objects: open.chunk.objects.clone(),
        };
        let payload = serde_json::to_vec(&request).expect("a chunk is valid JSON");
        let result = self
            .lambda
            .invoke()
            .function_name(self.processor)
            .payload(Blob::new(payload))
            .send()
            .await;
        match result {
            Ok(output) => answer(&output, open.chunk.number, open.attempt, &open.chunk.objects),
            Err(error) => self.answer_of_error(&error),
        }
    }

    fn answer_of_error(&self, error: &SdkError<InvokeError, HttpResponse>) -> Result<Answer, Lost> {
        let what = Failure::of(format_args!("invoking {}", self.processor), error).message;
        let Some(response) = error.raw_response() else {
            // Of a connection that breaks, or never was, no key is to blame; of an answer that does not come
            // one may be.
            return Err(match error {
                SdkError::DispatchFailure(_) => Lost::Unavailable(what),
                _ => Lost::Died(what),
            });
        };
        let body = response.body().bytes().unwrap_or_default();
        match response.status().as_u16() {
            // No room; or a function that is being updated or woken up, and soon ready again.
            429 | 409 => Ok(Answer::NotRun(what)),
            400..=499 => Ok(Answer::Refused(what)),
            // Local emulators report a function's own error like this.
            _ if serde_json::from_slice::<FunctionError>(body).is_ok() => function_error(body),
            _ => Err(Lost::Unavailable(format!(
                "{what}: {:.300}",
                String::from_utf8_lossy(body)
            ))),
        }
    }

    /// Gives an attempt up; what it had committed by then.
    pub async fn give_up(&self, open: &Open) -> Result<Adopted, Failure> {
        let mut tries = 1;
        loop {
            match self.fence(open).await {
                Err(failure) if failure.class.is_passing() && tries < FENCES => {
                    sleep(Duration::from_secs(tries)).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn fence(&self, open: &Open) -> Result<Adopted, Failure> {
        if self.job.records != Records::Ndjson {
            // Nothing is committed, and a repeat writes the same bytes to the same keys.
            return Ok(Adopted::new());
        }
        let destination = &self.job.destination;
        let key = destination.records(&self.job.id, open.chunk.number, open.attempt);
        let empty = Bytes::new();
        let written = s3::put_if(self.s3, &destination.bucket, &key, s3::NDJSON, empty, Condition::New).await?;
        if let Written::Done(_) = written {
            return Ok(Adopted::new());
        }
        let file = ObjectId::any(&destination.bucket, key);
        let (_, body) = s3::get(self.s3, &file, None).await?;
        serde_json::Deserializer::from_slice(&body)
            .into_iter::<Record>()
            .map(|record| record.map(|record| (record.key, record.exif.is_some())))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(Class::Corrupt, format!("records in {}: {error}", file.key)))
    }
}

/// Images in flight, under a limit on requests.
fn concurrency(wanted: usize, max_requests_per_second: Option<f64>) -> usize {
    let most = max_requests_per_second.map_or(f64::INFINITY, |limit| limit * LIMITED_SECONDS);
    (1..=wanted).rev().find(|&count| count as f64 <= most).unwrap_or(1)
}

/// What counts of a record that a lost attempt had committed.
#[derive(Debug, Deserialize)]
struct Record {
    key: String,
    exif: Option<serde::de::IgnoredAny>,
}

/// How Lambda passes on what a function answers with its error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionError {
    error_type: String,
}

fn function_error(payload: &[u8]) -> Result<Answer, Lost> {
    let what = format!("the processor failed: {:.500}", String::from_utf8_lossy(payload));
    match serde_json::from_slice::<FunctionError>(payload) {
        Ok(error) if SYSTEMIC.contains(&error.error_type.as_str()) => Ok(Answer::Refused(what)),
        _ => Err(Lost::Died(what)),
    }
}

fn answer(output: &InvokeOutput, chunk: u64, attempt: Attempt, sent: &[ObjectRef]) -> Result<Answer, Lost> {
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    if output.function_error().is_some() {
        return function_error(payload);
    }
    let nonsense = |problem: String| Lost::Died(format!("the processor's answer makes no sense: {problem}"));
    let response: ChunkResponse = serde_json::from_slice(payload).map_err(|error| nonsense(error.to_string()))?;
    match contradiction(&response, chunk, attempt, sent) {
        None => Ok(Answer::Response(Box::new(response))),
        Some(problem) => Err(nonsense(problem)),
    }
}

/// What is wrong with an answer: each key sent must have one outcome.
fn contradiction(response: &ChunkResponse, chunk: u64, attempt: Attempt, sent: &[ObjectRef]) -> Option<String> {
    if response.chunk != chunk || response.attempt != attempt.to_string() {
        return Some(format!(
            "it is for attempt {} at chunk {}",
            response.attempt, response.chunk
        ));
    }
    let named = response
        .failed
        .iter()
        .map(|failed| &failed.key)
        .chain(&response.unprocessed);
    let mut open: HashSet<&str> = sent.iter().map(|object| object.key.as_str()).collect();
    for key in named {
        if !open.remove(key.as_str()) {
            return Some(format!("key {key:?} was not sent, or has two outcomes"));
        }
    }
    let Some(done) = response.ok.checked_add(response.skipped) else {
        return Some("its counters overflow".to_owned());
    };
    (done != open.len() as u64 || response.with_exif > response.ok).then(|| {
        format!(
            "{done} of {} objects are said to be done, {} have another outcome",
            sent.len(),
            sent.len() - open.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_limit_lets_few_images_in_flight() {
        for (wanted, limit, expected) in [
            (64, None, 64),
            (64, Some(1000.0), 64),
            (64, Some(0.5), 15),
            (64, Some(0.001), 1),
            (1, Some(0.5), 1),
        ] {
            assert_eq!(concurrency(wanted, limit), expected, "{limit:?}");
        }
    }
}
