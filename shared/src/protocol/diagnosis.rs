//! What limits an invocation or a job, as responses and reports carry it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bottleneck {
    /// Waiting for S3.
    #[serde(rename = "io")]
    Io,
    #[serde(rename = "cpu")]
    Cpu,
    /// Requests a second, as S3 or `max_requests_per_second` allows them.
    #[serde(rename = "s3 rate")]
    S3Rate,
    /// Invocations at a time, as Lambda or `parallel` allows them.
    #[serde(rename = "lambda concurrency")]
    LambdaConcurrency,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Of the CPU time that the processors could have used, what they did not: they waited.
    pub io_percent: f64,
    /// What they did use of it.
    pub cpu_percent: f64,
    pub bottleneck: Bottleneck,
    /// What would make it faster.
    pub advice: String,
}
