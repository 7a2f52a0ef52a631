use std::future::pending;

use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

/// How a request fails.
#[derive(Clone, Debug)]
pub enum Effect {
    Error(S3ErrorCode),
    /// The connection breaks without a response, and nothing is done.
    Drop,
    /// The request gets no response, and nothing is done.
    Hang,
    /// The connection breaks half-way through the body of a `GetObject`. Any other operation takes effect, but the
    /// connection breaks instead of the response.
    Cut,
    /// A `GetObject` gets half of its body, and then nothing more. Any other operation takes effect, but gets no
    /// response.
    Stall,
    /// A `GetObject` with a range gets status 200 and the whole body.
    WholeBody,
    /// A `GetObject` with a range gets a range of the same length that starts one byte later. The response states the
    /// range that it has.
    OtherRange,
}

/// The fault that is still to happen to a request that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    None,
    Cut,
    Stall,
    WholeBody,
    OtherRange,
}

/// The status of a response that must not be sent: the connection breaks instead.
pub(super) const DROPPED_STATUS: u16 = 599;

impl Aftermath {
    /// Returns the response to an operation that took effect, unless the fault is that the response is lost.
    pub async fn respond<T>(self, output: T) -> S3Result<S3Response<T>> {
        match self {
            Self::None | Self::WholeBody | Self::OtherRange => Ok(S3Response::new(output)),
            Self::Cut => Err(dropped()),
            Self::Stall => pending().await,
        }
    }
}

/// The error that breaks the connection instead of sending a response.
pub(super) fn dropped() -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::InternalError);
    error.set_status_code(StatusCode::from_u16(DROPPED_STATUS).unwrap_or_default());
    error
}
