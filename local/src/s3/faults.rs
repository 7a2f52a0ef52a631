//! Latency and faults that the server injects.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use clap::{Args, ValueEnum};
use parking_lot::Mutex;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::chances::{Chances, Dice};
use super::effect::{Aftermath, Effect, dropped, error, error_within};
use crate::terminal::duration;

/// The minimum time of each kind of request. The fields are also options of the command line.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Latency {
    /// Minimum time of each GET and HEAD, for example 800ms
    #[arg(long = "get-latency", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub get: Duration,
    /// Minimum time of each PUT, COPY and request of a multipart upload
    #[arg(long = "put-latency", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub put: Duration,
    /// Minimum time of each page of a listing
    #[arg(long = "list-latency", value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub list: Duration,
    /// How many bytes of a PUT arrive in a second; 0 sets no limit
    #[arg(long = "put-bandwidth", value_name = "BYTES", default_value_t = 0)]
    pub bytes_per_second: u64,
}

/// A planned fault: requests that fail, and how.
#[derive(Debug)]
pub struct Fault {
    /// The name of the S3 operation, such as `GetObject`.
    pub operation: &'static str,
    /// Only requests whose key contains this text. For a copy, this is the source's key; for a listing, the prefix.
    pub key_contains: String,
    pub effect: Effect,
    /// How many requests succeed first.
    pub after: usize,
    /// How many requests fail after that. The rest succeed.
    pub times: usize,
}

/// A part of S3's protocol that some stores do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// `start-after` of a listing
    StartAfter,
    /// `encoding-type` of a listing
    EncodingType,
    /// `If-Match` and `If-None-Match` of GET and PUT
    Conditions,
    /// Annotations: a request for one is taken for a request for the object
    Annotations,
}

/// The number of injected faults of each kind, planned and random ones together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InjectedFaults {
    pub slow_down: usize,
    pub internal_error: usize,
    /// From [`Effect::Drop`].
    pub reset: usize,
    pub hang: usize,
    pub stall: usize,
    pub cut: usize,
    pub other: usize,
}

/// The latency and the faults of a server. They may change while it runs.
#[derive(Debug, Default)]
pub struct Faults {
    latency: Mutex<Latency>,
    planned: Mutex<Vec<Fault>>,
    dice: Mutex<Option<Dice>>,
    injected: Mutex<InjectedFaults>,
    ignores_annotations: AtomicBool,
}

impl Faults {
    pub fn set_latency(&self, latency: Latency) {
        *self.latency.lock() = latency;
    }

    pub fn add(&self, fault: Fault) {
        self.planned.lock().push(fault);
    }

    /// Starts random faults from the seed of `chances`; `None` stops them.
    pub fn set_chances(&self, chances: Option<Chances>) {
        *self.dice.lock() = chances.map(Dice::new);
    }

    /// Ignores a part of all requests, as some stores do.
    pub fn ignore(&self, part: Part) {
        let faults: &[(&'static str, Effect)] = match part {
            Part::StartAfter => &[("ListObjectsV2", Effect::NoStartAfter)],
            Part::EncodingType => &[("ListObjectsV2", Effect::PlainKeys)],
            Part::Conditions => &[
                ("GetObject", Effect::Unconditional),
                ("PutObject", Effect::Unconditional),
            ],
            Part::Annotations => {
                self.ignores_annotations.store(true, Relaxed);
                &[]
            }
        };
        for (operation, effect) in faults {
            self.add(Fault {
                operation,
                key_contains: String::new(),
                effect: effect.clone(),
                after: 0,
                times: usize::MAX,
            });
        }
    }

    pub(super) fn ignores_annotations(&self) -> bool {
        self.ignores_annotations.load(Relaxed)
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.ignores_annotations.store(false, Relaxed);
        self.planned.lock().clear();
        self.set_chances(None);
    }

    /// The number of faults since the server started.
    #[must_use]
    pub fn injected(&self) -> InjectedFaults {
        *self.injected.lock()
    }

    /// Refuses all requests of an operation for keys that contain a text, with `AccessDenied`.
    pub fn deny(&self, operation: &'static str, key_contains: &str) {
        self.add(Fault {
            operation,
            key_contains: key_contains.to_owned(),
            effect: Effect::Error(S3ErrorCode::AccessDenied),
            after: 0,
            times: usize::MAX,
        });
    }

    /// Waits for the latency of the request, then returns an error if the request is to fail at once. Otherwise, it
    /// returns the fault that is to happen later.
    pub(super) async fn inject(&self, operation: &str, key: &str) -> S3Result<Aftermath> {
        // Drawn before the wait, so that faults depend on the order in which requests arrive.
        let chance = self.dice.lock().as_mut().and_then(|dice| dice.throw(operation));
        let latency = *self.latency.lock();
        let wait = match operation {
            "GetObject" | "HeadObject" | "GetObjectAnnotation" => latency.get,
            "PutObject"
            | "PutObjectAnnotation"
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
            return Ok(Aftermath(None));
        };
        self.count(&effect);
        match effect {
            Effect::Error(code) => Err(S3Error::with_message(code, "injected fault")),
            Effect::Status(status, code) => Err(error(status, code)),
            Effect::ErrorWithin(code) => Err(error_within(code)),
            Effect::Drop => Err(dropped()),
            Effect::Hang => pending().await,
            later => Ok(Aftermath(Some(later))),
        }
    }

    /// Waits as long as the bytes of a PUT take.
    pub(super) async fn receive(&self, bytes: u64) {
        let bytes_per_second = self.latency.lock().bytes_per_second;
        if bytes_per_second > 0 {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64)).await;
        }
    }

    /// Returns the planned fault of a request, and counts it as used.
    fn effect(&self, operation: &str, key: &str) -> Option<Effect> {
        let mut planned = self.planned.lock();
        let fault = planned
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
            _ => injected.other += 1,
        }
    }
}
