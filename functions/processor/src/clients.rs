//! The S3 clients. They share their connections. They are built once, because building them takes as much CPU time as
//! several requests. The meter of an invocation counts the requests that this invocation sends.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use shared::s3::{self, Meter};

use crate::limits::Concurrency;

/// A read is sent again if its response has not begun after this time. S3 begins it within a fraction of a second.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A write is sent again if it has no response after this time. S3 responds when the write is finished, which takes a
/// while for 64 MiB over a slow connection.
const WRITE_TIMEOUT: Duration = Duration::from_secs(25);

/// One client for each kind of request, since each kind has its own time-out.
#[derive(Debug)]
pub struct Clients {
    pub reads: Client,
    /// For uploads, which have at most 64 MiB per request, and for copies up to this size.
    pub writes: Client,
    /// For larger copies inside S3.
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
