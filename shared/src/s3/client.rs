//! Settings of the AWS clients: retries, time-outs, TLS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_http_client::{pool, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use tower_http::timeout::TimeoutBody;

/// How often a request is sent, the first time included.
///
/// Before the first retry, the SDK waits up to 0.2 s, with jitter. Each further wait can be twice as long as the
/// last. So half of the requests that fail by chance are retried within 0.1 s, and a throttle of about 15 s passes.
const MAX_ATTEMPTS: u32 = 8;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An upload that moves no byte for this long has stalled. Downloads are checked where the body is read, because a
/// stall can be told from damage only there.
const STALL_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// The time limits of requests, without their retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time until the response to a read begins. S3 begins it within a fraction of a second.
    pub read: Duration,
    /// The time until a write has its response. S3 responds when the write is finished, which takes a while for 64 MiB
    /// over a slow connection.
    pub write: Duration,
    /// For what S3 does by itself: a copy, or the completion of a multipart upload. It may take minutes. S3 begins the
    /// response, and sends spaces until the operation is finished. This is the longest pause between them.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(10),
            write: Duration::from_secs(25),
            silence: Duration::from_secs(60),
        }
    }
}

/// The SDK's settings, from the environment as in any AWS program.
pub async fn config() -> SdkConfig {
    loader().load().await
}

/// The same settings before they are loaded, for callers that set more.
///
/// Checksums stay as the SDK sets them: turning them off saved no CPU time that could be measured.
#[must_use]
pub fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(MAX_ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF),
        )
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .download_enabled(false)
                .grace_period(STALL_GRACE_PERIOD)
                .build(),
        )
        .timeout_config(attempt_timeout(Timeouts::default().write))
}

/// A time limit for a request, without its retries. It includes the body of the response, but not the bytes of an
/// object.
#[must_use]
pub fn attempt_timeout(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .build()
}

/// A time limit for pauses: before the response begins, and between its bytes. The response may take any time.
#[must_use]
pub fn with_silence(config: Builder, silence: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(silence)
        .disable_operation_attempt_timeout()
        .build();
    config.timeout_config(timeouts).interceptor(Silence(silence))
}

/// Limits the pauses within a response.
#[derive(Debug)]
struct Silence(Duration);

#[dyn_dispatch_hint]
impl Intercept for Silence {
    fn name(&self) -> &'static str {
        "Silence"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let pauses = self.0;
        *body = std::mem::replace(body, SdkBody::taken())
            .map_preserve_contents(move |body| SdkBody::from_body_1_x(TimeoutBody::new(pauses, body)));
        Ok(())
    }
}

/// Connections for synchronous invocations of functions. They are kept alive: they are silent for minutes, and NAT gateways
/// drop a flow after 350 s of silence.
///
/// # Panics
/// Never: the pool has its default partition.
pub fn kept_alive() -> Result<pool::Client, pool::BuildError> {
    let pool = pool::Builder::default()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .tcp_keepalive(Duration::from_secs(30))
        .build_https()?;
    Ok(pool::Client::new(&pool).expect("the pool has only its default partition"))
}

/// rustls with ring: half the size of the default TLS stack. The only thing to build is C code that every
/// cross-compiler accepts.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}
