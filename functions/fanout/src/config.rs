//! What the environment says.

use std::time::Duration;

use shared::clock::MAX_TIMEOUT;
use shared::prices::Architecture;
use shared::settings::{self, Lookup, SettingError};

use crate::request::Request;

#[derive(Clone, Debug)]
pub struct Config {
    /// `PROCESSOR_FUNCTION`: name or ARN
    pub processor: String,
    /// `PROCESSOR_MEMORY_MB` and `PROCESSOR_ARCHITECTURE`: what `plan` reckons with
    pub processor_memory_mb: u32,
    pub processor_architecture: Architecture,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MB
    pub memory_mb: u32,
    /// `AWS_LAMBDA_FUNCTION_NAME`: this function, which goes on with a long job by invoking itself
    pub function: String,
    /// `TIMEOUT_SECONDS`: used when an invocation comes without a deadline
    pub timeout: Duration,
    /// `INVOKE_TIMEOUT_SECONDS`: how long one invocation of the processor may take to respond; a little
    /// more than the processor's own time-out
    pub invoke_timeout: Duration,
    /// What a request leaves out: each of its fields under its own name in capitals.
    pub defaults: Request,
}

impl Config {
    pub fn load(lookup: Lookup<'_>) -> Result<Self, SettingError> {
        let seconds = |name| settings::parsed(lookup, name).map(|seconds| seconds.map(Duration::from_secs));
        Ok(Self {
            processor: lookup("PROCESSOR_FUNCTION").unwrap_or_else(|| "processor".to_owned()),
            processor_memory_mb: settings::parsed(lookup, "PROCESSOR_MEMORY_MB")?.unwrap_or(1769),
            processor_architecture: settings::named(lookup, "PROCESSOR_ARCHITECTURE")?.unwrap_or_default(),
            memory_mb: settings::parsed(lookup, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.unwrap_or(512),
            function: lookup("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "fanout".to_owned()),
            timeout: seconds("TIMEOUT_SECONDS")?.unwrap_or(MAX_TIMEOUT),
            invoke_timeout: seconds("INVOKE_TIMEOUT_SECONDS")?.unwrap_or(Duration::from_secs(310)),
            defaults: Request::from_environment(lookup)?,
        })
    }
}
