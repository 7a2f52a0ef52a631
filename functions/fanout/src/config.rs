use std::time::Duration;

use shared::deadline;
use shared::settings::{self, Lookup, SettingError};

use crate::request::Request;

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Config {
    /// `PROCESSOR_FUNCTION`: name or ARN
    pub processor: String,
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
            timeout: settings::parsed(lookup, "TIMEOUT_SECONDS")?.map_or(deadline::LONGEST, Duration::from_secs),
            invoke_timeout: settings::parsed(lookup, "INVOKE_TIMEOUT_SECONDS")?
                .map_or(Duration::from_secs(310), Duration::from_secs),
            defaults: Request {
                action: settings::named(lookup, "ACTION")?,
                source: lookup("SOURCE"),
                destination: lookup("DESTINATION"),
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
