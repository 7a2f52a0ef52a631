use std::future::pending;
use std::time::Duration;

use hyper::http::{HeaderMap, HeaderValue};
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

use super::wire::{WIRE, Wire};

/// How a request fails, or how its response differs from that of S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Error(S3ErrorCode),
    /// An error with this status and code. Without a code, the response has no body.
    Status(u16, Option<&'static str>),
    /// Status 200, with an error of this code in the body. Nothing is done.
    ErrorWithin(&'static str),
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
    /// A write gets status 200 and an empty response, and nothing is done.
    Nothing,
    /// The response has no `ETag`.
    NoETag,
    /// The status comes at once, and then a space after each of these times, before the rest of the response.
    Spaces {
        every: Duration,
        count: u32,
    },
    /// `If-Match` and `If-None-Match` are ignored.
    Unconditional,
    /// A `GetObject` with a range gets status 200 and the whole body.
    WholeBody,
    /// A `GetObject` with a range gets a range of the same length that starts one byte later. The response states the
    /// range that it has.
    OtherRange,
    /// A `GetObject` gets an object with the same `ETag` and two thirds of the bytes.
    Shorter,
    /// A `GetObject` gets status 200 and no bytes.
    NoBytes,
    /// A `GetObject` has no `Content-Length`.
    NoLength,
    /// A `GetObject` has no `Content-Length`, and its body never ends.
    Endless,
    /// A `GetObject` gets a body in which one bit is flipped, and no checksum.
    Flipped,
    /// A listing gets no key, and the statement that more follow. Its token leads on.
    EmptyPage,
    /// The same, and the token does not lead on.
    NoProgress,
    /// A listing gets the first half of its keys, and the statement that more follow.
    ShortPage,
    /// A listing starts at the first key, whatever `start-after` says.
    NoStartAfter,
    /// A listing starts at the key in `start-after`, and not after it.
    FromStartAfter,
    /// A listing has plain keys, and does not say that they are encoded.
    PlainKeys,
    /// In a listing, each U+FFFD of a key is a byte that is not UTF-8.
    NotUtf8,
}

/// The fault that is still to happen to a request that was admitted.
#[derive(Clone, Debug)]
pub(super) struct Aftermath(pub Option<Effect>);

impl Aftermath {
    pub fn is(&self, effect: &Effect) -> bool {
        self.0.as_ref() == Some(effect)
    }

    /// Returns the condition of a request, unless conditions are ignored.
    pub fn condition<T>(&self, condition: Option<T>) -> Option<T> {
        condition.filter(|_| !self.is(&Effect::Unconditional))
    }

    /// Returns the response to an operation that took effect, unless the fault is that the response is lost.
    pub async fn respond<T>(self, output: T) -> S3Result<S3Response<T>> {
        let mut response = S3Response::new(output);
        match self.0 {
            Some(Effect::Cut) => return Err(dropped()),
            Some(Effect::Stall) => pending().await,
            Some(Effect::NoETag) => response.extensions.insert(Wire::NoETag),
            Some(Effect::Spaces { every, count }) => response.extensions.insert(Wire::Spaces { every, count }),
            _ => None,
        };
        Ok(response)
    }
}

/// The region that a redirect names.
const OTHER_REGION: &str = "eu-west-1";

/// The error that breaks the connection instead of sending a response. It has no extensions, so a header says so.
pub(super) fn dropped() -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::InternalError);
    error.set_headers(HeaderMap::from_iter([(WIRE, HeaderValue::from_static("drop"))]));
    error
}

/// An error with any status and code.
pub(super) fn error(status: u16, code: Option<&'static str>) -> S3Error {
    let mut error = injected(code.unwrap_or_default());
    error.set_status_code(status.try_into().expect("a fault has a valid status"));
    let mut headers = HeaderMap::new();
    if code.is_none() {
        headers.insert(WIRE, HeaderValue::from_static("empty"));
    }
    if matches!(status, 301 | 307) {
        headers.insert("x-amz-bucket-region", HeaderValue::from_static(OTHER_REGION));
    }
    error.set_headers(headers);
    error
}

/// An error in the body of a response with status 200.
pub(super) fn error_within(code: &'static str) -> S3Error {
    let mut error = injected(code);
    error.set_status_code(hyper::StatusCode::OK);
    error
}

fn injected(code: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::Custom(code.into()), "injected fault")
}
