use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::error::{Cause, Error};
use crate::object::ETag;

/// About 3 s.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_factor(2.0)
    .with_max_times(5);

/// Sends a write, and sends it again if its response says that it succeeded and does not show what was written. S3 may
/// then have written nothing.
pub async fn sent<T, F: Future<Output = Result<T, Error>>>(write: impl FnMut() -> F) -> Result<T, Error> {
    write
        .retry(RETRIES)
        .when(|error| matches!(error.source, Cause::Contradiction(_)))
        .await
}

/// The `ETag` of what was written. Only a response with an `ETag` shows that something was.
pub fn written(etag: Option<&str>) -> Result<ETag, &'static str> {
    etag.and_then(ETag::parse).ok_or("the response has no ETag")
}
