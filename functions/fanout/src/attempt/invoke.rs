//! Sends a chunk to the processor.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::pool;
use aws_smithy_runtime_api::client::http::HttpClient;
use serde_json::value::RawValue;
use shared::clock::Clock;
use shared::protocol::attempt::Attempt;
use shared::protocol::chunk::{ChunkRequest, ChunkResponse};
use shared::s3::{ErrorKind, kept_alive};

use super::call::{Loss, NoResponse, call, payload};
use super::fence::give_up_with_rest;
use super::response;
use super::result::{AttemptResult, Processed};
use crate::chunk::{Chunk, InFlightAttempt};
use crate::job::Job;
use crate::store::{self, Conditions, bodies};

/// With a limit on requests, at most as many images are in flight as it allows requests in this time. With more, all
/// would be read and none written when the processor's time is up.
const MAX_SECONDS_IN_FLIGHT: f64 = 30.0;

/// Makes a client for synchronous invocations.
pub fn invoke_client(sdk: &SdkConfig) -> Result<aws_sdk_lambda::Client, pool::BuildError> {
    Ok(invoke_client_over(kept_alive()?, sdk))
}

/// Makes a client for synchronous invocations, with these connections.
///
/// - The SDK does not retry, because every attempt needs a number of its own.
/// - The client has no time-out for a response, whatever the settings say: they are for requests to S3, and a chunk
///   takes longer. [`Invoker`] has a time-out.
pub fn invoke_client_over(connections: impl HttpClient + 'static, sdk: &SdkConfig) -> aws_sdk_lambda::Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .disable_read_timeout()
        .disable_operation_attempt_timeout()
        .disable_operation_timeout();
    let config = aws_sdk_lambda::config::Builder::from(sdk)
        .http_client(connections)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .build();
    aws_sdk_lambda::Client::from_conf(config)
}

/// What all attempts of a job share.
#[derive(Clone)]
pub struct Invoker<'a> {
    pub lambda: &'a aws_sdk_lambda::Client,
    pub s3: &'a aws_sdk_s3::Client,
    /// Name or ARN.
    pub processor: &'a str,
    pub job: &'a Job,
    pub clock: Clock,
    /// How long one attempt may take.
    pub timeout: Duration,
    pub conditions: Conditions,
}

impl Invoker<'_> {
    /// Sends a chunk once, with its share of the limit on requests.
    ///
    /// What comes before and after the processor's work is boxed, so that its memory is in use only meanwhile: a thousand
    /// attempts may wait for their processors.
    pub async fn attempt(&self, mut attempt: InFlightAttempt, max_requests_per_second: Option<f64>) -> AttemptResult {
        let objects = match Box::pin(self.objects(&attempt.chunk)).await {
            Ok(objects) => objects,
            Err(store::Error::Request(error)) if error.kind != ErrorKind::NotFound => {
                return AttemptResult::Unread(error.to_string());
            }
            Err(error) => return AttemptResult::Rejected(error.to_string()),
        };
        // While the processor works, its objects are not kept: few of them are needed again.
        attempt.chunk = Arc::new(attempt.chunk.unloaded());
        let sent = tokio::select! {
            biased;
            sent = self.send(&attempt, objects, max_requests_per_second) => sent,
            () = self.clock.sleep(self.timeout) => Err(NoResponse::Lost(Loss::Died(format!(
                "invoking {}: no response within {} s",
                self.processor,
                self.timeout.as_secs()
            )))),
        };
        // A commit counts, and an attempt is given up, only if the store honours conditions.
        match self.conditions.check().await {
            Ok(()) => {}
            Err(error) if error.is_answer() => return AttemptResult::Rejected(error.to_string()),
            // It may have committed, so it must not be sent again.
            Err(error) => return AttemptResult::Unfenced(error.to_string()),
        }
        let sent = match sent {
            Ok(response) => match Box::pin(self.processed(&attempt, response)).await {
                Ok(processed) => processed,
                // Its images are committed, so it is not sent again.
                Err(error) => return AttemptResult::Unfenced(error.to_string()),
            },
            Err(error) => Err(error),
        };
        let loss = match sent {
            Ok(processed) => return AttemptResult::Response(Box::new(processed)),
            Err(NoResponse::Throttled(error)) => return AttemptResult::Throttled(error),
            Err(NoResponse::Rejected(error)) => return AttemptResult::Rejected(error),
            Err(NoResponse::Lost(loss)) => loss,
        };
        match Box::pin(give_up_with_rest(self.s3, self.job, &attempt)).await {
            Ok(given_up) => loss.into_result(given_up),
            Err(failure) => AttemptResult::Unfenced(format!("{failure} (the attempt was lost: {})", loss.error())),
        }
    }

    /// The objects of a chunk as JSON.
    async fn objects(&self, chunk: &Chunk) -> Result<Box<RawValue>, store::Error> {
        let lines = bodies::lines(self.s3, self.job, chunk).await?;
        let array = lines.to_array();
        array.map_err(|error| bodies::unreadable(self.job, chunk, &error))
    }

    async fn send(
        &self,
        attempt: &InFlightAttempt,
        objects: Box<RawValue>,
        max_requests_per_second: Option<f64>,
    ) -> Result<ChunkResponse, NoResponse> {
        let request = ChunkRequest {
            chunk: attempt.chunk.number,
            attempt: attempt.attempt,
            ..chunk_request(self.job, objects, max_requests_per_second)
        };
        let payload = payload(&request);
        drop(request);
        let response = call(self.lambda, self.processor, payload).await?;
        response::read(&response, attempt).map_err(NoResponse::Lost)
    }

    /// Finds the objects that a response names.
    async fn processed(
        &self,
        attempt: &InFlightAttempt,
        response: ChunkResponse,
    ) -> Result<Result<Processed, NoResponse>, store::Error> {
        let names_none = response.failed.is_empty() && response.unprocessed.is_empty();
        let unprocessed = if names_none {
            Ok(Vec::new())
        } else {
            let sent = bodies::objects(self.s3, self.job, &attempt.chunk).await?;
            response::unprocessed(&response, &sent)
        };
        Ok(unprocessed
            .map(|unprocessed| Processed { response, unprocessed })
            .map_err(NoResponse::Lost))
    }
}

/// The request for the first chunk of a job.
pub fn chunk_request<O>(job: &Job, objects: O, max_requests_per_second: Option<f64>) -> ChunkRequest<O> {
    ChunkRequest {
        job_id: job.id.clone(),
        chunk: 0,
        attempt: Attempt {
            generation: 1,
            sequence: 1,
        },
        source_bucket: job.source.bucket.clone(),
        source_prefix: job.source.prefix.clone(),
        destination: job.destination.uri(),
        records_destination: job.destination.separate_records_uri(),
        images: job.images,
        records: job.records,
        concurrency: concurrency(job.concurrency, max_requests_per_second),
        max_requests_per_second,
        request_payer: job.request_payer,
        transform: job.transform.clone(),
        strip: job.strip.clone(),
        max_pixels: job.transform.as_ref().map(|_| job.max_pixels),
        objects,
    }
}

/// Images in flight in one invocation, with a limit on requests.
fn concurrency(wanted: usize, max_requests_per_second: Option<f64>) -> usize {
    let max = max_requests_per_second.map_or(f64::INFINITY, |limit| limit * MAX_SECONDS_IN_FLIGHT);
    (1..=wanted).rev().find(|&count| count as f64 <= max).unwrap_or(1)
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
