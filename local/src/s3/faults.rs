//! Slowness and failures that the server puts on.

use std::future::pending;
use std::time::Duration;

use clap::Args;
use parking_lot::Mutex;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::chances::{Chances, Dice};
use super::effect::{Aftermath, Effect, dropped};
use crate::terminal::duration;

/// How long each kind of request takes at least; also options of the command line.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Latency {
    /// What each GET and HEAD takes at least, as in 800ms
    #[arg(long = "get-latency", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub get: Duration,
    /// What each PUT, COPY and request of a multipart upload takes at least
    #[arg(long = "put-latency", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub put: Duration,
    /// What each page of a listing takes at least
    #[arg(long = "list-latency", value_name = "TIME", value_parser = duration, default_value = "0s")]
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

/// How many requests injected what, whether told one by one or by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InjectedFaults {
    pub slow_down: usize,
    pub internal_error: usize,
    /// By [`Effect::Drop`].
    pub reset: usize,
    pub hang: usize,
    pub stall: usize,
    pub cut: usize,
}

/// What the server puts on; may change while it runs.
#[derive(Debug, Default)]
pub struct Faults {
    latency: Mutex<Latency>,
    told: Mutex<Vec<Fault>>,
    dice: Mutex<Option<Dice>>,
    injected: Mutex<InjectedFaults>,
}

impl Faults {
    pub fn set_latency(&self, latency: Latency) {
        *self.latency.lock() = latency;
    }

    pub fn add(&self, fault: Fault) {
        self.told.lock().push(fault);
    }

    /// Lets requests fail by chance, from the beginning of what the seed gives; or no more.
    pub fn set_chances(&self, chances: Option<Chances>) {
        *self.dice.lock() = chances.map(Dice::new);
    }

    /// Lets everything pass from now on.
    pub fn clear(&self) {
        self.told.lock().clear();
        self.set_chances(None);
    }

    /// What was put on since the server started.
    #[must_use]
    pub fn injected(&self) -> InjectedFaults {
        *self.injected.lock()
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
    pub(super) async fn inject(&self, operation: &str, key: &str) -> S3Result<Aftermath> {
        // In the order in which requests come, not in which they have waited.
        let chance = self.dice.lock().as_mut().and_then(|dice| dice.throw(operation));
        let latency = *self.latency.lock();
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
            Effect::OtherRange => Ok(Aftermath::OtherRange),
        }
    }

    /// What a request is to suffer, and one request less to suffer it.
    fn effect(&self, operation: &str, key: &str) -> Option<Effect> {
        let mut told = self.told.lock();
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
        let mut injected = self.injected.lock();
        match effect {
            Effect::Error(S3ErrorCode::SlowDown) => injected.slow_down += 1,
            Effect::Error(S3ErrorCode::InternalError) => injected.internal_error += 1,
            Effect::Drop => injected.reset += 1,
            Effect::Hang => injected.hang += 1,
            Effect::Stall => injected.stall += 1,
            Effect::Cut => injected.cut += 1,
            Effect::Error(_) | Effect::WholeBody | Effect::OtherRange => {}
        }
    }
}
