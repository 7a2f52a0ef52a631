use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::endpoint::ByBucket;
use super::error_kind::ErrorKind;
use super::payer::RequesterPays;
use super::retry::{ByKind, error_in};
use crate::protocol::usage::Requests;

tokio::task_local! {
    static SCOPE: Meter;
}

/// Counts requests, retries included, and how many were throttled. Also keeps S3's time. Clones share all of it.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: Mutex<Requests>,
    throttled: AtomicU64,
    /// The `Date` of the last response, since 1970, and when it arrived.
    date: Mutex<Option<(Duration, Instant)>>,
}

impl Meter {
    /// A client whose requests this meter counts. All clients of `config` share their connections.
    #[must_use]
    pub fn s3(&self, config: &SdkConfig) -> Client {
        client(Builder::from(config), Counter::One(self.clone()))
    }

    /// The same for a source. With `request_payer`, its reads say that the requester pays.
    #[must_use]
    pub fn source_s3(&self, config: &SdkConfig, request_payer: bool) -> Client {
        let config = Builder::from(config);
        let config = if request_payer { requester_pays(config) } else { config };
        client(config, Counter::One(self.clone()))
    }

    /// A client for all invocations of a process.
    ///
    /// Each request is counted by the meter in whose [scope](Self::scope) it is sent. Outside of any scope, it is not
    /// counted.
    #[must_use]
    pub fn scoped_client(config: Builder) -> Client {
        client(config, Counter::Scope)
    }

    /// Counts the requests that `work` sends through clients of [`Self::scoped_client`].
    ///
    /// The SDK runs its interceptors in the task that awaits the response, also for retries. So the count is exact,
    /// even if several scopes are awaited at the same time. Requests of tasks that `work` spawns are not counted.
    pub async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        SCOPE.scope(self.clone(), work).await
    }

    #[must_use]
    pub fn requests(&self) -> Requests {
        *self.0.requests.lock()
    }

    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.0.throttled.load(Relaxed)
    }

    /// S3's time since 1970, by the `Date` of its last response. `None` if there was no response with a date.
    #[must_use]
    pub fn s3_time(&self) -> Option<Duration> {
        let date = *self.0.date.lock();
        date.map(|(date, arrived)| date + arrived.elapsed())
    }
}

/// Counts a request that no client has sent, in the scope of a meter.
pub(super) fn count(operation: &str) {
    Counter::Scope.count(|counts| *counts.requests.lock() += Requests::one(operation));
}

/// Makes the reads of a client say that the requester pays.
#[must_use]
pub fn requester_pays(config: Builder) -> Builder {
    config.interceptor(RequesterPays)
}

/// A client whose requests have all their retries.
///
/// By default, the SDK stops retrying after about a hundred throttles in a process. Images would then fail because of
/// a throttle that passes.
fn client(config: Builder, counter: Counter) -> Client {
    let retries = RetryPartition::custom("s3").token_bucket(TokenBucket::unlimited());
    Client::from_conf(
        config
            .endpoint_resolver(ByBucket::default())
            .interceptor(counter)
            .retry_classifier(ByKind)
            .retry_partition(retries.build())
            .build(),
    )
}

/// Which meter counts the requests of a client.
#[derive(Debug)]
enum Counter {
    One(Meter),
    /// The meter in whose scope a request is sent.
    Scope,
}

impl Counter {
    fn count(&self, count: impl FnOnce(&Counts)) {
        match self {
            Self::One(meter) => count(&meter.0),
            Self::Scope => {
                // Outside of any scope, nobody needs the count.
                let _ = SCOPE.try_with(|meter| count(&meter.0));
            }
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = cfg.load::<Metadata>() {
            self.count(|counts| *counts.requests.lock() += Requests::one(operation.name()));
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        if let Some(seconds) = date.and_then(|date| u64::try_from(date.secs()).ok()) {
            let seen = (Duration::from_secs(seconds), Instant::now());
            self.count(|counts| *counts.date.lock() = Some(seen));
        }
        if error_in(context) == Some(ErrorKind::Throttled) {
            self.count(|counts| {
                counts.throttled.fetch_add(1, Relaxed);
            });
        }
        Ok(())
    }
}
