use std::future::pending;

use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

/// How a request fails.
#[derive(Clone, Debug)]
pub enum Effect {
    Error(S3ErrorCode),
    /// The connection breaks with no response.
    Drop,
    /// No response ever comes, and nothing is done.
    Hang,
    /// The body of a `GetObject` ends half way, with the connection. Any other operation takes effect,
    /// but the connection breaks in place of the response.
    Cut,
    /// Half the body of a `GetObject` comes, and then nothing ever. Any other operation takes effect,
    /// but no response ever comes.
    Stall,
    /// A `GetObject` of a range gets 200 and everything.
    WholeBody,
    /// A `GetObject` of a range gets one of the same length that starts a byte later, and says so.
    OtherRange,
}

/// What is still to go wrong with a request that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    None,
    Cut,
    Stall,
    WholeBody,
    OtherRange,
}

/// The status of a response that is not to be sent: the connection breaks in its place.
pub(super) const DROPPED_STATUS: u16 = 599;

impl Aftermath {
    /// The response to an operation that took effect, unless it is to be lost.
    pub async fn respond<T>(self, output: T) -> S3Result<S3Response<T>> {
        match self {
            Self::None | Self::WholeBody | Self::OtherRange => Ok(S3Response::new(output)),
            Self::Cut => Err(dropped()),
            Self::Stall => pending().await,
        }
    }
}

/// In place of a response: the connection breaks.
pub(super) fn dropped() -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::InternalError);
    error.set_status_code(StatusCode::from_u16(DROPPED_STATUS).unwrap_or_default());
    error
}
