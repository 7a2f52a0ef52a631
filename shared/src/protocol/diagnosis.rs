//! What limits an invocation or a job, as responses and reports say it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bottleneck {
    /// Waiting for S3.
    #[serde(rename = "io")]
    Io,
    #[serde(rename = "cpu")]
    Cpu,
    /// The number of requests per second, limited by S3 or by `max_requests_per_second`.
    #[serde(rename = "s3 rate")]
    S3Rate,
    /// The number of invocations at a time, limited by Lambda or by `parallel`.
    #[serde(rename = "lambda concurrency")]
    LambdaConcurrency,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The share of `vcpu_ms` in which the processors waited.
    pub io_percent: f64,
    /// The share of `vcpu_ms` in which the processors used the CPU.
    pub cpu_percent: f64,
    pub bottleneck: Bottleneck,
    /// What would make the invocation or the job faster. Absent for a job that was too short to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}
