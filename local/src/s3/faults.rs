//! Slowness and failures that the server puts on.

use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Result};

/// How long each kind of request takes at least.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// GET and HEAD
    pub get: Duration,
    /// PUT and COPY
    pub put: Duration,
    pub list: Duration,
}

/// Requests that are to fail.
#[derive(Debug)]
pub struct Fault {
    /// As S3 names it: `GetObject`
    pub operation: &'static str,
    /// Only keys that contain this; for listings, prefixes.
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
    /// No answer ever comes.
    Hang,
}

/// The status of an answer that is not to be sent: the connection breaks in its place.
pub(super) const DROPPED: u16 = 599;

/// What the server puts on; may change while it runs.
#[derive(Debug, Default)]
pub struct Faults {
    latency: Mutex<Latency>,
    faults: Mutex<Vec<Fault>>,
}

impl Faults {
    pub fn set_latency(&self, latency: Latency) {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    pub fn add(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Lets everything pass from now on.
    pub fn clear(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
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

    /// Waits as long as the request should take, then fails if it should fail.
    pub(super) async fn suffer(&self, operation: &str, key: &str) -> S3Result<()> {
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match operation {
            "GetObject" | "HeadObject" => latency.get,
            "PutObject" | "CopyObject" => latency.put,
            "ListObjectsV2" => latency.list,
            _ => Duration::ZERO,
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match self.effect(operation, key) {
            None => Ok(()),
            Some(Effect::Error(code)) => Err(S3Error::with_message(code, "as the server was told")),
            Some(Effect::Drop) => {
                let mut error = S3Error::new(S3ErrorCode::InternalError);
                error.set_status_code(StatusCode::from_u16(DROPPED).unwrap_or_default());
                Err(error)
            }
            Some(Effect::Hang) => pending().await,
        }
    }

    /// What a request is to suffer, and one request less to suffer it.
    fn effect(&self, operation: &str, key: &str) -> Option<Effect> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults
            .iter_mut()
            .find(|fault| fault.times > 0 && fault.operation == operation && key.contains(&fault.key_contains))?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.effect.clone())
    }
}
