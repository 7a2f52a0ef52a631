use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
use parking_lot::Mutex;

use super::endpoint::ByBucket;
use crate::protocol::usage::Requests;

/// Counts what the clients made by it send, retries too, and how often they are throttled.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

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
        self.client(Builder::from(config))
    }

    /// The same for settings that are S3's own.
    #[must_use]
    pub fn client(&self, config: Builder) -> Client {
        Client::from_conf(
            config
                .endpoint_resolver(ByBucket::default())
                .interceptor(self.clone())
                .retry_partition(
                    RetryPartition::custom("s3")
                        .token_bucket(TokenBucket::unlimited())
                        .build(),
                )
                .build(),
        )
    }

    #[must_use]
    pub fn requests(&self) -> Requests {
        *self.0.requests.lock()
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
        if let Some(operation) = cfg.load::<Metadata>() {
            let mut requests = self.0.requests.lock();
            *requests += Requests::one(operation.name());
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if matches!(context.response().status().as_u16(), 429 | 503) {
            self.0.throttled.fetch_add(1, Relaxed);
        }
        Ok(())
    }
}
