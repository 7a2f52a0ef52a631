//! Slowness and failures that the server puts on.

use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

use super::chances::{Chances, Dice};

/// How long each kind of request takes at least.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// GET and HEAD
    pub get: Duration,
    /// PUT and COPY, and all of a multipart upload
    pub put: Duration,
    pub list: Duration,
}

/// Requests that are to fail.
#[derive(Debug)]
pub struct Fault {
    /// As S3 names it: `GetObject`
    pub operation: &'static str,
    /// Only keys that contain this: of copies the source's, for listings the prefix.
    pub key_contains: String,
    pub effect: Effect,
    /// How many requests pass first.
    pub after: usize,
    /// How many requests fail then, before the rest pass.
    pub times: usize,
}

/// How a request fails.
#[derive(Clone, Debug)]
pub enum Effect {
    Error(S3ErrorCode),
    /// The connection breaks with no answer.
    Drop,
    /// No answer ever comes, and nothing is done.
    Hang,
    /// The body of a `GetObject` ends half way, with the connection. Any other operation takes effect,
    /// but the connection breaks in place of the answer.
    Cut,
    /// Half the body of a `GetObject` comes, and then nothing ever. Any other operation takes effect,
    /// but no answer ever comes.
    Stall,
    /// A `GetObject` of a range is answered with 200 and everything.
    WholeBody,
}

/// How many requests suffered what, whether told one by one or by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suffered {
    pub slow_down: usize,
    pub internal_error: usize,
    /// [`Effect::Drop`]
    pub reset: usize,
    pub hang: usize,
    pub stall: usize,
    pub cut: usize,
}

/// What a request that was let in is still to suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    None,
    Cut,
    Stall,
    WholeBody,
}

/// The status of an answer that is not to be sent: the connection breaks in its place.
pub(super) const DROPPED: u16 = 599;

/// What the server puts on; may change while it runs.
#[derive(Debug, Default)]
pub struct Faults {
    latency: Mutex<Latency>,
    told: Mutex<Vec<Fault>>,
    dice: Mutex<Option<Dice>>,
    suffered: Mutex<Suffered>,
}

impl Faults {
    pub fn set_latency(&self, latency: Latency) {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    pub fn add(&self, fault: Fault) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Lets requests fail by chance, from the beginning of what the seed gives; or no more.
    pub fn set_chances(&self, chances: Option<Chances>) {
        *self.dice.lock().unwrap_or_else(PoisonError::into_inner) = chances.map(Dice::new);
    }

    /// Lets everything pass from now on.
    pub fn clear(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.set_chances(None);
    }

    /// What was put on since the server started.
    #[must_use]
    pub fn suffered(&self) -> Suffered {
        *self.suffered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every request for a key, forever.
    pub fn deny(&self, operation: &'static str, key_contains: &str) {
        self.add(Fault {
            operation,
            key_contains: key_contains.to_owned(),
            effect: Effect::Error(S3ErrorCode::AccessDenied),
            after: 0,
            times: usize::MAX,
        });
    }

    /// Waits as long as the request should take, then fails if it should fail. What is to go wrong later
    /// comes back.
    pub(super) async fn suffer(&self, operation: &str, key: &str) -> S3Result<Aftermath> {
        // In the order in which requests come, not in which they have waited.
        let chance = self
            .dice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .and_then(|dice| dice.throw(operation));
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match operation {
            "GetObject" | "HeadObject" => latency.get,
            "PutObject"
            | "CopyObject"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "UploadPartCopy"
            | "CompleteMultipartUpload"
            | "AbortMultipartUpload" => latency.put,
            "ListObjectsV2" => latency.list,
            _ => Duration::ZERO,
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let Some(effect) = self.effect(operation, key).or(chance) else {
            return Ok(Aftermath::None);
        };
        self.count(&effect);
        match effect {
            Effect::Error(code) => Err(S3Error::with_message(code, "as the server was told")),
            Effect::Drop => Err(dropped()),
            Effect::Hang => pending().await,
            Effect::Cut => Ok(Aftermath::Cut),
            Effect::Stall => Ok(Aftermath::Stall),
            Effect::WholeBody => Ok(Aftermath::WholeBody),
        }
    }

    /// What a request is to suffer, and one request less to suffer it.
    fn effect(&self, operation: &str, key: &str) -> Option<Effect> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = told
            .iter_mut()
            .find(|fault| fault.times > 0 && fault.operation == operation && key.contains(&fault.key_contains))?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.effect.clone())
    }

    fn count(&self, effect: &Effect) {
        let mut suffered = self.suffered.lock().unwrap_or_else(PoisonError::into_inner);
        match effect {
            Effect::Error(S3ErrorCode::SlowDown) => suffered.slow_down += 1,
            Effect::Error(S3ErrorCode::InternalError) => suffered.internal_error += 1,
            Effect::Drop => suffered.reset += 1,
            Effect::Hang => suffered.hang += 1,
            Effect::Stall => suffered.stall += 1,
            Effect::Cut => suffered.cut += 1,
            Effect::Error(_) | Effect::WholeBody => {}
        }
    }
}

impl Aftermath {
    /// The answer to an operation that took effect, unless it is to be lost.
    pub async fn answer<T>(self, output: T) -> S3Result<S3Response<T>> {
        match self {
            Self::None | Self::WholeBody => Ok(S3Response::new(output)),
            Self::Cut => Err(dropped()),
            Self::Stall => pending().await,
        }
    }
}

/// In place of an answer: the connection breaks.
pub(super) fn dropped() -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::InternalError);
    error.set_status_code(StatusCode::from_u16(DROPPED).unwrap_or_default());
    error
}
