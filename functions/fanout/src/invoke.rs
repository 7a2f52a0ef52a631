//! One chunk to a processor, again and again until each of its keys is settled.
//!
//! An attempt that does not answer may still be running, or may have done its work and lost only the
//! answer. So before its keys are sent again the attempt is given up: its record file is written here,
//! empty, unless it is there already. If it is there, its lines are done and only the other keys are
//! sent again; if not, the processor can no longer commit, and whatever it did counts for nothing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::{pool, tls};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use serde::Deserialize;
use shared::chunk::{Attempt, ChunkRequest, ChunkResponse, FailedKey, ObjectRef, Usage};
use shared::failure::{Class, Failure};
use shared::modes::Records;
use shared::s3::{self, ObjectId, Written};

use crate::config::Config;
use crate::plan::Chunk;
use crate::request::Job;

/// How often a chunk is sent before its keys are failed.
const ATTEMPTS: u32 = 4;

/// How often a chunk that Lambda has no room for is offered again: with the waits below, for about
/// ten minutes.
const THROTTLED_ATTEMPTS: u32 = 60;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

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

/// What all invocations of a job share.
pub struct Invoker<'a> {
    pub lambda: &'a aws_sdk_lambda::Client,
    pub s3: &'a aws_sdk_s3::Client,
    pub config: &'a Config,
    pub job: &'a Job,
    pub generation: u32,
    /// Attempts made, so also the sequence number of the last one.
    pub invocations: AtomicU64,
    /// Attempts that Lambda had no room for.
    pub throttled: AtomicU64,
    /// Set when nothing more is to be started: no attempt is repeated then.
    pub stopped: AtomicBool,
}

/// What became of a chunk.
#[derive(Debug, Default)]
pub struct Settled {
    pub ok: u64,
    pub with_exif: u64,
    pub skipped: u64,
    pub failed: Vec<FailedKey>,
    /// To be sent again, in a new chunk.
    pub unprocessed: Vec<ObjectRef>,
    /// What the processor used, where it answered.
    pub usage: Option<Box<Usage>>,
    /// Why no other chunk can go on either. The chunk's open keys stay pending.
    pub hopeless: Option<String>,
}

/// What one attempt came to.
enum Answer {
    Response(Box<ChunkResponse>),
    /// Lambda had no room: the processor did not run.
    NotRun(String),
    /// It may have run, or still be running.
    Lost(String),
    /// It did not run and never will: the function is missing, or not ours to invoke.
    Refused(String),
}

impl Invoker<'_> {
    /// Sends a chunk until each of its keys is settled or has used up its attempts. Keys that are open
    /// when the job is stopped stay pending.
    pub async fn settle(&self, chunk: Chunk) -> Settled {
        let mut settled = Settled::default();
        let mut left = chunk.objects;
        let (mut lost, mut throttled) = (0, 0);
        loop {
            let attempt = Attempt {
                generation: self.generation,
                sequence: self.invocations.fetch_add(1, Relaxed) + 1,
            };
            let (class, error) = match self.send(chunk.number, attempt, &left).await {
                Answer::Response(response) => {
                    settled.take(*response, left);
                    return settled;
                }
                Answer::Refused(error) => {
                    settled.hopeless = Some(error);
                    return settled;
                }
                Answer::NotRun(error) => {
                    self.throttled.fetch_add(1, Relaxed);
                    throttled += 1;
                    (Class::Throttled, error)
                }
                Answer::Lost(error) => {
                    lost += 1;
                    match self.give_up(chunk.number, attempt).await {
                        Ok(adopted) => settled.adopt(&adopted, &mut left),
                        Err(failure) => {
                            settled.hopeless = Some(format!("an attempt that was lost cannot be given up: {failure}"));
                            return settled;
                        }
                    }
                    if left.is_empty() {
                        return settled;
                    }
                    (Class::Internal, error)
                }
            };
            if lost == ATTEMPTS || throttled == THROTTLED_ATTEMPTS {
                settled.fail(left, class, &error);
                return settled;
            }
            if self.stopped.load(Relaxed) {
                return settled;
            }
            tokio::time::sleep(wait(lost + throttled)).await;
        }
    }

    async fn send(&self, number: u64, attempt: Attempt, objects: &[ObjectRef]) -> Answer {
        let job = self.job;
        let request = ChunkRequest {
            job_id: job.id.clone(),
            chunk: number,
            attempt,
            source_bucket: job.source.bucket.clone(),
            source_prefix: job.source.prefix.clone(),
            destination: job.destination.uri(),
            images: job.images,
            records: job.records,
            concurrency: job.concurrency,
            max_requests_per_second: job.max_requests_per_second.map(|rate| rate / job.parallel as f64),
            objects: objects.to_vec(),
        };
        let payload = serde_json::to_vec(&request).expect("a chunk is valid JSON");
        let result = self
            .lambda
            .invoke()
            .function_name(&self.config.processor)
            .payload(Blob::new(payload))
            .send()
            .await;
        match result {
            Ok(output) => answer(&output, &request),
            Err(error) => self.answer_of_error(&error),
        }
    }

    fn answer_of_error(&self, error: &SdkError<InvokeError, HttpResponse>) -> Answer {
        let mut what = Failure::of(format_args!("invoking {}", self.config.processor), error).message;
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        if error.code().is_none()
            && let Some(body) = error.raw_response().and_then(|response| response.body().bytes())
        {
            what = format!("{what}: {:.300}", String::from_utf8_lossy(body));
        }
        match status {
            // No room; or a function that is being updated or woken up, and soon ready again.
            429 | 409 => Answer::NotRun(what),
            400..=499 => Answer::Refused(what),
            _ => Answer::Lost(what),
        }
    }

    /// Gives an attempt up; the records it had committed by then.
    async fn give_up(&self, number: u64, attempt: Attempt) -> Result<Vec<Adopted>, Failure> {
        if self.job.records != Records::Ndjson {
            // Nothing is committed, and a repeat writes the same bytes to the same keys.
            return Ok(Vec::new());
        }
        let destination = &self.job.destination;
        let key = destination.records(&self.job.id, number, attempt);
        let written = s3::create(self.s3, &destination.bucket, &key, s3::NDJSON, Bytes::new()).await?;
        if written == Written::New {
            return Ok(Vec::new());
        }
        let file = ObjectId::any(&destination.bucket, key);
        let (_, body) = s3::get(self.s3, &file, None).await?;
        serde_json::Deserializer::from_slice(&body)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(Class::Corrupt, format!("records in {}: {error}", file.key)))
    }
}

/// What counts of a record that a lost attempt had committed.
#[derive(Debug, Deserialize)]
struct Adopted {
    key: String,
    exif: Option<serde::de::IgnoredAny>,
}

impl Settled {
    /// Takes the answer of a processor for the objects it was sent.
    fn take(&mut self, response: ChunkResponse, sent: Vec<ObjectRef>) {
        self.ok += response.ok;
        self.with_exif += response.with_exif;
        self.skipped += response.skipped;
        self.failed.extend(response.failed);
        self.usage = Some(Box::new(response.usage));
        let unprocessed: HashSet<String> = response.unprocessed.into_iter().collect();
        self.unprocessed = sent;
        self.unprocessed.retain(|object| unprocessed.contains(&object.key));
    }

    fn adopt(&mut self, adopted: &[Adopted], left: &mut Vec<ObjectRef>) {
        let done: HashMap<&str, bool> = adopted
            .iter()
            .map(|record| (record.key.as_str(), record.exif.is_some()))
            .collect();
        left.retain(|object| {
            let Some(&with_exif) = done.get(object.key.as_str()) else {
                return true;
            };
            self.ok += 1;
            self.with_exif += u64::from(with_exif);
            false
        });
    }

    pub fn fail(&mut self, left: Vec<ObjectRef>, class: Class, error: &str) {
        self.failed.extend(left.into_iter().map(|object| FailedKey {
            key: object.key,
            class,
            error: error.to_owned(),
        }));
    }
}

fn answer(output: &InvokeOutput, request: &ChunkRequest) -> Answer {
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    if let Some(kind) = output.function_error() {
        return Answer::Lost(format!(
            "the processor failed ({kind}): {:.500}",
            String::from_utf8_lossy(payload)
        ));
    }
    match serde_json::from_slice::<ChunkResponse>(payload) {
        Ok(response) => match contradiction(&response, request) {
            None => Answer::Response(Box::new(response)),
            Some(problem) => Answer::Lost(format!("the processor's answer makes no sense: {problem}")),
        },
        Err(error) => Answer::Lost(format!("the processor's answer makes no sense: {error}")),
    }
}

/// What is wrong with an answer: each key sent must have one outcome.
fn contradiction(response: &ChunkResponse, request: &ChunkRequest) -> Option<String> {
    if response.chunk != request.chunk || response.attempt != request.attempt.to_string() {
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
    let mut open: HashSet<&str> = request.objects.iter().map(|object| object.key.as_str()).collect();
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
            request.objects.len(),
            request.objects.len() - open.len()
        )
    })
}

/// Doubling, with full jitter.
fn wait(attempt: u32) -> Duration {
    let longest = FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(attempt.min(16)))
        .min(LONGEST_WAIT);
    longest.mul_f64(fastrand::f64())
}
