use std::time::Duration;

use shared::deadline;
use shared::settings::{self, Lookup, SettingError};

use crate::request::Request;
use shared::prices::Architecture;

/// What the environment says.
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
    /// `INVOKE_TIMEOUT_SECONDS`: how long one invocation of the processor may take to answer; a little
    /// more than the processor's own time-out
    pub invoke_timeout: Duration,
    /// What a request leaves open: each of its fields under its own name in capitals.
    pub defaults: Request,
}

impl Config {
    pub fn load(lookup: Lookup<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            processor: lookup("PROCESSOR_FUNCTION").unwrap_or_else(|| "processor".to_owned()),
            processor_memory_mb: settings::parsed(lookup, "PROCESSOR_MEMORY_MB")?.unwrap_or(1769),
            processor_architecture: settings::named(lookup, "PROCESSOR_ARCHITECTURE")?.unwrap_or_default(),
            memory_mb: settings::parsed(lookup, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.unwrap_or(512),
            function: lookup("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "fanout".to_owned()),
            timeout: settings::parsed(lookup, "TIMEOUT_SECONDS")?.map_or(deadline::LONGEST, Duration::from_secs),
            invoke_timeout: settings::parsed(lookup, "INVOKE_TIMEOUT_SECONDS")?
                .map_or(Duration::from_secs(310), Duration::from_secs),
            defaults: Request {
                action: settings::named(lookup, "ACTION")?,
                source: settings::parsed(lookup, "SOURCE")?,
                manifest: None,
                parent: None,
                destination: settings::parsed(lookup, "DESTINATION")?,
                include: settings::list(lookup, "INCLUDE"),
                exclude: settings::list(lookup, "EXCLUDE"),
                modified_after: lookup("MODIFIED_AFTER"),
                min_bytes: settings::parsed(lookup, "MIN_BYTES")?,
                max_bytes: settings::parsed(lookup, "MAX_BYTES")?,
                images: settings::named(lookup, "IMAGES")?,
                records: settings::named(lookup, "RECORDS")?,
                skip_current: settings::parsed(lookup, "SKIP_CURRENT")?,
                chunk_keys: settings::parsed(lookup, "CHUNK_KEYS")?,
                chunk_bytes: settings::parsed(lookup, "CHUNK_BYTES")?,
                parallel: settings::parsed(lookup, "PARALLEL")?,
                concurrency: settings::parsed(lookup, "CONCURRENCY")?,
                max_requests_per_second: settings::parsed(lookup, "MAX_REQUESTS_PER_SECOND")?,
                max_failed_percent: settings::parsed(lookup, "MAX_FAILED_PERCENT")?,
                job_id: None,
            },
        })
    }
}
