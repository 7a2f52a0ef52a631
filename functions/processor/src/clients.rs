//! The S3 clients. They share their connections. They are built once, because building them takes as much CPU time as
//! several requests. The meter of an invocation counts the requests that this invocation sends.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use shared::s3::{self, Meter, Timeouts};
use tokio::sync::OnceCell;

use crate::limits::Concurrency;

/// One client for each kind of request, since each kind has its own time limits.
#[derive(Debug)]
pub struct Clients {
    pub reads: Client,
    /// For uploads, which have at most 64 MiB per request.
    pub writes: Client,
    /// For copies, and for the completion of a multipart upload.
    pub copies: Client,
    /// Set when the store has shown that it knows annotations.
    pub knows_annotations: OnceCell<()>,
}

impl Clients {
    /// With `request_payer`, requests to the source say that the requester pays.
    pub fn new(sdk: &SdkConfig, timeouts: Timeouts, concurrency: &Concurrency, request_payer: bool) -> Self {
        let config = || {
            let config = Builder::from(sdk).interceptor(concurrency.clone());
            if request_payer {
                s3::requester_pays(config)
            } else {
                config
            }
        };
        let within = |attempt| Meter::scoped_client(config().timeout_config(s3::attempt_timeout(attempt)));
        Self {
            reads: within(timeouts.read),
            writes: within(timeouts.write),
            copies: Meter::scoped_client(s3::with_silence(config(), timeouts.silence)),
            knows_annotations: OnceCell::new(),
        }
    }
}
