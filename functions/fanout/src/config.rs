//! Settings from environment variables.

use std::time::Duration;

use shared::clock::MAX_TIMEOUT;
use shared::prices::Architecture;
use shared::settings::{self, Lookup, SettingError};

use crate::request::{BadRequest, Request};
use crate::store::FunctionSizes;

#[derive(Clone, Debug)]
pub struct Config {
    /// `PROCESSOR_FUNCTION`: the name or ARN of the processor.
    pub processor: String,
    /// `PROCESSOR_MEMORY_MB`: the processor's memory, for `plan`.
    pub processor_memory_mb: u32,
    /// `PROCESSOR_ARCHITECTURE`: the processor's architecture, for `plan`.
    pub processor_architecture: Architecture,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`: the memory of this function in MB, for `plan`, and for the requests in flight.
    pub memory_mb: u32,
    /// `AWS_LAMBDA_FUNCTION_NAME`: the name of this function, which invokes itself to continue a long job.
    pub function: String,
    /// `TIMEOUT_SECONDS`: this function's time-out, for an invocation without a deadline.
    pub timeout: Duration,
    /// `INVOKE_TIMEOUT_SECONDS`: how long fanout waits for the response of a processor. It should be a little more than
    /// the processor's own time-out.
    pub invoke_timeout: Duration,
    /// `SCHEDULE_GROUP` and `SCHEDULE_ROLE`: the group of the schedules of jobs, and the ARN of the role with which they
    /// invoke this function. Without both, jobs have no schedule.
    pub restarts: Option<RestartConfig>,
    /// `PROCESSOR_CONCURRENCY`: the concurrency that is reserved for the processor.
    pub processor_concurrency: Option<u32>,
    /// `UPLOAD_CONCURRENCY`: the most invocations of the processor for the queue of uploads.
    pub upload_concurrency: u32,
    /// The defaults for a request. The variable of a field is its name in capitals.
    pub defaults: Request,
}

#[derive(Clone, Debug)]
pub struct RestartConfig {
    pub group: String,
    pub role_arn: String,
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
            restarts: lookup("SCHEDULE_GROUP")
                .zip(lookup("SCHEDULE_ROLE"))
                .map(|(group, role_arn)| RestartConfig { group, role_arn }),
            processor_concurrency: settings::parsed(lookup, "PROCESSOR_CONCURRENCY")?,
            upload_concurrency: settings::parsed(lookup, "UPLOAD_CONCURRENCY")?.unwrap_or(0),
            defaults: Request::from_environment(lookup)?,
        })
    }

    /// What Lambda's price depends on.
    #[must_use]
    pub fn functions(&self) -> FunctionSizes {
        FunctionSizes {
            fanout_mb: self.memory_mb,
            processor_mb: self.processor_memory_mb,
            architecture: self.processor_architecture,
        }
    }

    /// Checks that a job leaves the processor enough of its reserved concurrency for uploads.
    pub fn check_parallel(&self, parallel: usize) -> Result<(), BadRequest> {
        let Some(reserved) = self.processor_concurrency else {
            return Ok(());
        };
        let most = reserved.saturating_sub(self.upload_concurrency) as usize;
        if parallel <= most {
            return Ok(());
        }
        let problem = format!(
            "{parallel} is more than {most}: {reserved} invocations are reserved for the processor, and {} of them are \
             for uploads; ask for less, or raise ProcessorConcurrency of the stack",
            self.upload_concurrency
        );
        Err(BadRequest::new("parallel", problem))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_job_leaves_the_reserved_concurrency_of_uploads_alone() {
        let lookup = |name: &str| match name {
            "PROCESSOR_CONCURRENCY" => Some("40".to_owned()),
            "UPLOAD_CONCURRENCY" => Some("10".to_owned()),
            _ => None,
        };
        let config = Config::load(&lookup).unwrap();
        assert_eq!(config.check_parallel(30), Ok(()));
        let error = config.check_parallel(31).unwrap_err().to_string();
        assert!(
            error.contains("parallel: 31 is more than 30: 40 invocations"),
            "{error}"
        );
        assert_eq!(Config::load(&|_| None).unwrap().check_parallel(1000), Ok(()));
    }
}
