use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use serde::{Deserialize, Serialize};

use super::endpoint::ByBucket;

/// Requests by kind, as AWS prices them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    pub list: u64,
    pub get: u64,
    pub head: u64,
    pub put: u64,
    pub copy: u64,
    pub invoke: u64,
}

impl Requests {
    /// One request, by the name that S3 gives its operation. What is free, or never sent, counts as none.
    #[must_use]
    pub fn one(operation: &str) -> Self {
        let mut requests = Self::default();
        match operation {
            "ListObjectsV2" => requests.list = 1,
            "GetObject" => requests.get = 1,
            "HeadObject" | "HeadBucket" => requests.head = 1,
            "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => requests.put = 1,
            "CopyObject" | "UploadPartCopy" => requests.copy = 1,
            _ => {}
        }
        requests
    }

    /// All but those to Lambda.
    #[must_use]
    pub fn to_s3(&self) -> u64 {
        self.list + self.get + self.head + self.put + self.copy
    }
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Self) {
        self.list += other.list;
        self.get += other.get;
        self.head += other.head;
        self.put += other.put;
        self.copy += other.copy;
        self.invoke += other.invoke;
    }
}

/// Counts requests, retries too, and how often they are throttled: those of the clients made by it, or those
/// sent within its [scope](Self::scope).
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

tokio::task_local! {
    static SCOPE: Meter;
}

#[derive(Debug, Default)]
struct Counts {
    requests: Mutex<Requests>,
    throttled: AtomicU64,
}

impl Meter {
    /// A client whose requests are counted here. Connections are shared by all clients of `config`.
    ///
    /// By default the SDK stops retrying after about a hundred throttles in a process, which would fail
    /// images for a throttle that passes: here every request has all its attempts.
    #[must_use]
    pub fn s3(&self, config: &SdkConfig) -> Client {
        client(Builder::from(config).interceptor(self.clone()))
    }

    /// A client for all invocations of a process: each request is counted by the meter in whose scope it is sent,
    /// and by none outside of any.
    #[must_use]
    pub fn client_of_scope(config: Builder) -> Client {
        client(config.interceptor(OfScope))
    }

    /// Counts what `work` sends through clients of [`Self::client_of_scope`].
    ///
    /// The SDK runs its interceptors, retries included, in the task that awaits the response. So the count is exact,
    /// also where several scopes are awaited at the same time. Tasks that `work` spawns are not counted.
    pub async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        SCOPE.scope(self.clone(), work).await
    }

    fn count_request(&self, cfg: &ConfigBag) {
        if let Some(operation) = cfg.load::<Metadata>() {
            let mut requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
            *requests += Requests::one(operation.name());
        }
    }

    fn count_throttle(&self, context: &BeforeDeserializationInterceptorContextRef<'_>) {
        if matches!(context.response().status().as_u16(), 429 | 503) {
            self.0.throttled.fetch_add(1, Relaxed);
        }
    }

    #[must_use]
    pub fn requests(&self) -> Requests {
        *self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.0.throttled.load(Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.count_request(cfg);
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.count_throttle(context);
        Ok(())
    }
}

/// Counts by the meter of the scope.
#[derive(Debug)]
struct OfScope;

#[dyn_dispatch_hint]
impl Intercept for OfScope {
    fn name(&self) -> &'static str {
        "Meter of the scope"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Outside of any scope nobody asks for the count.
        let _ = SCOPE.try_with(|meter| meter.count_request(cfg));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let _ = SCOPE.try_with(|meter| meter.count_throttle(context));
        Ok(())
    }
}

fn client(config: Builder) -> Client {
    Client::from_conf(
        config
            .endpoint_resolver(ByBucket::default())
            .retry_partition(
                RetryPartition::custom("s3")
                    .token_bucket(TokenBucket::unlimited())
                    .build(),
            )
            .build(),
    )
}
