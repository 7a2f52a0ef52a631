//! The S3 clients. They share their connections and are built once: each time costs as much CPU time as
//! several requests. Requests are counted by the meter of the invocation that sends them.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use shared::s3::{self, Meter};

use crate::limits::Concurrency;

/// S3 begins its response to a read within a fraction of a second, so one that has not begun after this long
/// is sent again.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The response to a write comes when all of it is done: 64 MiB over a slow connection.
const WRITE_TIMEOUT: Duration = Duration::from_secs(25);

/// Clients whose time-outs for one attempt fit what they ask.
#[derive(Debug)]
pub struct Clients {
    pub reads: Client,
    /// For what passes through the function, and for copies that are no larger than that.
    pub writes: Client,
    pub large_copies: Client,
}

impl Clients {
    pub fn new(sdk: &SdkConfig, concurrency: &Concurrency) -> Self {
        let client = |attempt: Duration| {
            Meter::scoped_client(
                Builder::from(sdk)
                    .interceptor(concurrency.clone())
                    .timeout_config(s3::timeouts(attempt)),
            )
        };
        Self {
            reads: client(READ_TIMEOUT),
            writes: client(WRITE_TIMEOUT),
            large_copies: client(s3::MAX_ATTEMPT_TIME),
        }
    }
}
