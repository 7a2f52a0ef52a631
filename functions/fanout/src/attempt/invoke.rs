//! Sends a chunk to the processor.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::{pool, tls};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared::clock::Clock;
use shared::protocol::chunk::ChunkRequest;
use shared::s3::Cause;

use super::fence::give_up;
use super::response::{Loss, from_function_error, from_output, is_function_error};
use super::result::AttemptResult;
use crate::chunk::InFlightAttempt;
use crate::job::Job;
use crate::store::Conditions;

/// With a limit on requests, at most as many images are in flight as it allows requests in this time. With more, all
/// would be read and none written when the processor's time is up.
const MAX_SECONDS_IN_FLIGHT: f64 = 30.0;

/// Makes a client for synchronous invocations.
///
/// - Connections are kept alive: they are silent for minutes, and NAT gateways drop a flow after 350 s of silence.
/// - The SDK does not retry, because every attempt needs a number of its own.
/// - The client has no time-out for a response. [`Invoker`] has one.
pub fn invoke_client(sdk: &SdkConfig) -> Result<aws_sdk_lambda::Client, pool::BuildError> {
    let pool = pool::Builder::default()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .tcp_keepalive(Duration::from_secs(30))
        .build_https()?;
    let http = pool::Client::new(&pool).expect("the pool has only its default partition");
    let config = aws_sdk_lambda::config::Builder::from(sdk)
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).build())
        .build();
    Ok(aws_sdk_lambda::Client::from_conf(config))
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
    pub async fn attempt(&self, attempt: &InFlightAttempt, max_requests_per_second: Option<f64>) -> AttemptResult {
        let sent = tokio::select! {
            sent = self.send(attempt, max_requests_per_second) => sent,
            () = self.clock.sleep(self.timeout) => Err(Loss::Died(format!(
                "invoking {}: no response within {} s",
                self.processor,
                self.timeout.as_secs()
            ))),
        };
        // A commit counts, and an attempt is given up, only if the store honours conditions.
        if let Err(error) = self.conditions.check().await {
            return AttemptResult::Rejected(error.to_string());
        }
        let loss = match sent {
            Ok(result) => return result,
            Err(loss) => loss,
        };
        match (give_up(self.s3, self.job, attempt).await, loss) {
            (Ok(committed), Loss::Unavailable(error)) => AttemptResult::Unavailable { error, committed },
            (Ok(committed), Loss::Died(error)) => AttemptResult::Lost { error, committed },
            (Ok(committed), Loss::CredentialsExpired(error)) => AttemptResult::CredentialsExpired { error, committed },
            (Ok(committed), Loss::CredentialsRefused(error)) => AttemptResult::CredentialsRefused { error, committed },
            (
                Err(failure),
                Loss::Unavailable(error)
                | Loss::Died(error)
                | Loss::CredentialsExpired(error)
                | Loss::CredentialsRefused(error),
            ) => AttemptResult::Unfenced(format!("{failure} (the attempt was lost: {error})")),
        }
    }

    async fn send(
        &self,
        attempt: &InFlightAttempt,
        max_requests_per_second: Option<f64>,
    ) -> Result<AttemptResult, Loss> {
        let job = self.job;
        let request = ChunkRequest {
            job_id: job.id.clone(),
            chunk: attempt.chunk.number,
            attempt: attempt.attempt,
            source_bucket: job.source.bucket.clone(),
            source_prefix: job.source.prefix.clone(),
            destination: job.destination.uri(),
            images: job.images,
            records: job.records,
            concurrency: concurrency(job.concurrency, max_requests_per_second),
            max_requests_per_second,
            request_payer: job.request_payer,
            transform: job.transform.clone(),
            max_pixels: job.transform.as_ref().map(|_| job.max_pixels),
            objects: attempt.chunk.objects.clone(),
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
            Ok(output) => from_output(&output, attempt),
            Err(error) => self.read_error(&error),
        }
    }

    fn read_error(&self, error: &SdkError<InvokeError, HttpResponse>) -> Result<AttemptResult, Loss> {
        let what = format!("invoking {}: {}", self.processor, Cause::from_sdk(error));
        let Some(response) = error.raw_response() else {
            // No key can be the cause of a connection that breaks or cannot be made. If the response does not arrive, a
            // key may be the cause.
            return Err(match error {
                SdkError::DispatchFailure(_) => Loss::Unavailable(what),
                _ => Loss::Died(what),
            });
        };
        let body = response.body().bytes().unwrap_or_default();
        match response.status().as_u16() {
            // 409: the function is being updated or woken up, and will soon be ready.
            429 | 409 => Ok(AttemptResult::Throttled(what)),
            400..=499 => Ok(AttemptResult::Rejected(what)),
            // Local emulators report an error of the function like this.
            _ if is_function_error(body) => from_function_error(body),
            _ => Err(Loss::Unavailable(format!(
                "{what}: {:.300}",
                String::from_utf8_lossy(body)
            ))),
        }
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
