//! Settings of the AWS clients: retries, time-outs, TLS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// How often a request is sent, the first time included.
///
/// Before the first retry, the SDK waits up to 0.2 s, with jitter. Each further wait can be twice as long as the
/// last. So half of the requests that fail by chance are retried within 0.1 s, and a throttle of about 15 s passes.
const MAX_ATTEMPTS: u32 = 8;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// An upload that moves no byte for this long has stalled. Downloads are checked where the body is read, because a
/// stall can be told from damage only there.
const STALL_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// The time limit for a request, without its retries. A copy of 5 GB inside S3 does not respond before it is
/// finished.
pub const MAX_ATTEMPT_TIME: Duration = Duration::from_secs(180);

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
        .timeout_config(timeouts(MAX_ATTEMPT_TIME))
}

/// Time-outs for connecting, and for a request without its retries.
///
/// `attempt` ends with the headers of the response, not with its body.
#[must_use]
pub fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(attempt)
        .build()
}

/// rustls with ring: half the size of the default TLS stack. The only thing to build is C code that every
/// cross-compiler accepts.
fn http_client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}
