//! What the user knows about the place where a job would run, for a plan.

use serde::{Deserialize, Serialize};

/// Without a field, a plan assumes a value of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assumptions {
    /// The time of a request to S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_ms: Option<Milliseconds>,
    /// The CPU time of an image on a whole vCPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms_per_image: Option<Milliseconds>,
}

/// More than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Milliseconds(f64);

/// From a microsecond to ten minutes.
const RANGE: std::ops::RangeInclusive<f64> = 0.001..=600_000.0;

impl Milliseconds {
    pub fn as_seconds(self) -> f64 {
        self.0 / 1e3
    }
}

impl TryFrom<f64> for Milliseconds {
    type Error = String;

    fn try_from(milliseconds: f64) -> Result<Self, String> {
        if RANGE.contains(&milliseconds) {
            return Ok(Self(milliseconds));
        }
        let (least, most) = RANGE.into_inner();
        Err(format!("{milliseconds} is not within {least} to {most} milliseconds"))
    }
}

impl From<Milliseconds> for f64 {
    fn from(milliseconds: Milliseconds) -> Self {
        milliseconds.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::request::Request;

    #[test]
    fn a_bad_assumption_is_named() {
        for (assume, expected) in [
            (
                json!({"request_ms": 0}),
                "assume.request_ms: 0 is not within 0.001 to 600000 milliseconds",
            ),
            (
                json!({"cpu_ms_per_image": 1e9}),
                "assume.cpu_ms_per_image: 1000000000 is not within",
            ),
            (json!({"latency": 1}), "assume.latency: unknown field `latency`"),
        ] {
            let error = Request::parse(json!({"assume": assume})).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
