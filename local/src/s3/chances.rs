use clap::Args;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s3s::S3ErrorCode;

use super::effect::Effect;

/// The requests for objects.
const OPERATIONS: [&str; 6] = [
    "GetObject",
    "HeadObject",
    "PutObject",
    "CopyObject",
    "UploadPart",
    "UploadPartCopy",
];

/// Percentages of requests that fail, by the kind of fault. The same seed and the same order of requests
/// give the same faults.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
pub struct Chances {
    /// Percentage of requests for objects that fail with 503, slow down
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub slow_down: f64,
    /// Percentage of requests for objects that fail with 500, internal error
    #[arg(long = "internal-errors", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub internal_error: f64,
    /// Percentage of requests for objects whose connection breaks before anything is done
    #[arg(long = "resets", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub reset: f64,
    /// Percentage of GETs whose body stops half-way and never continues
    #[arg(long = "stalls", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub stall: f64,
    /// Percentage of requests for objects whose connection breaks half-way through the body, or after the write
    #[arg(long = "cuts", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub cut: f64,
    /// Percentage of requests for objects that fail with another temporary error: of KMS, a conflict, a time-out
    #[arg(long = "other-errors", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub other_error: f64,
    /// Percentage of requests for objects whose response is wrong: too short, without an `ETag`, or nothing was done
    #[arg(long = "wrong-responses", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub wrong_response: f64,
    /// Percentage of listings that have no key, and say that more follow
    #[arg(long = "empty-pages", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub empty_page: f64,
    /// Percentage of listings that have half of their keys, and say that more follow
    #[arg(long = "short-pages", value_name = "PERCENT", value_parser = percent, default_value_t = 0.0)]
    pub short_page: f64,
    /// Seed that chooses the requests that fail; the same seed chooses the same requests
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// The chances, and the random numbers that decide which request fails.
#[derive(Debug)]
pub(super) struct Dice {
    chances: Chances,
    rng: ChaCha8Rng,
}

impl Chances {
    /// Percentage of requests for objects that fail in any way. If it is above 100, the last kinds of faults happen too rarely.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.slow_down
            + self.internal_error
            + self.reset
            + self.stall
            + self.cut
            + self.other_error
            + self.wrong_response
    }
}

impl Dice {
    pub fn new(chances: Chances) -> Self {
        Self {
            chances,
            rng: ChaCha8Rng::seed_from_u64(chances.seed),
        }
    }

    /// Draws the fault of the next request.
    pub fn throw(&mut self, operation: &str) -> Option<Effect> {
        let effects = if OPERATIONS.contains(&operation) {
            let other_error = OTHER_ERRORS[self.rng.random_range(0..OTHER_ERRORS.len())];
            let wrong = wrong_responses(operation);
            let wrong_response = wrong[self.rng.random_range(0..wrong.len())].clone();
            vec![
                (self.chances.slow_down, Effect::Error(S3ErrorCode::SlowDown)),
                (self.chances.internal_error, Effect::Error(S3ErrorCode::InternalError)),
                (self.chances.reset, Effect::Drop),
                (self.chances.stall, Effect::Stall),
                (self.chances.cut, Effect::Cut),
                (
                    self.chances.other_error,
                    Effect::Status(other_error.0, Some(other_error.1)),
                ),
                (self.chances.wrong_response, wrong_response),
            ]
        } else if operation == "ListObjectsV2" {
            vec![
                (self.chances.empty_page, Effect::EmptyPage),
                (self.chances.short_page, Effect::ShortPage),
            ]
        } else {
            return None;
        };
        let mut drawn = self.rng.random_range(0.0..100.0);
        let (_, effect) = effects.into_iter().find(|(percent, _)| {
            drawn -= percent;
            drawn < 0.0
        })?;
        // A write without a response shows nothing new, and its client waits for minutes.
        let is_idle = matches!(effect, Effect::Stall) && operation != "GetObject";
        Some(effect).filter(|_| !is_idle)
    }
}

/// Temporary errors of S3, besides those with a percentage of their own.
const OTHER_ERRORS: [(u16, &str); 5] = [
    (400, "KMS.ThrottlingException"),
    (400, "RequestTimeout"),
    (409, "OperationAborted"),
    (429, "TooManyRequests"),
    (503, "ServiceUnavailable"),
];

/// Wrong responses to an operation.
fn wrong_responses(operation: &str) -> &'static [Effect] {
    match operation {
        "GetObject" => &[Effect::Shorter, Effect::NoBytes, Effect::NoETag],
        "HeadObject" => &[Effect::NoETag],
        "CopyObject" | "UploadPartCopy" => &[Effect::Nothing, Effect::NoETag, Effect::ErrorWithin("InternalError")],
        _ => &[Effect::Nothing, Effect::NoETag],
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a percentage must be a number from 0 to 100".to_owned()),
    }
}
