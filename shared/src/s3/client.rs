//! How clients of AWS are made.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Attempts at one request, the first included. Between them the SDK waits, with jitter, up to 0.2 s, then
/// up to twice as long each time: half of all that fails by chance is asked for again within 0.1 s, and
/// a throttle of a quarter of a minute passes.
const MAX_ATTEMPTS: u32 = 8;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// An upload that moves no byte for so long has stalled. (Of downloads the reader of the body itself takes
/// care, where it can tell a stall from damage.)
const STALL_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// What one attempt may take: a copy of 5 GB inside S3 does not respond before it is done.
pub const MAX_ATTEMPT_TIME: Duration = Duration::from_secs(180);

/// The SDK's settings, from the environment as any AWS program finds them.
pub async fn config() -> SdkConfig {
    loader().load().await
}

/// The same before it is loaded, for callers that set more.
///
/// Checksums stay as the SDK has them: to leave them out saved no CPU time that could be measured.
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

/// `attempt` counts up to the headers of the response, not to the end of its body.
#[must_use]
pub fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(attempt)
        .build()
}

/// rustls over ring: half the size of the default TLS stack, and nothing to build but C that every
/// cross-compiler takes.
fn http_client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}
