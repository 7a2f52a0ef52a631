use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep};

use local::lambda::Reply;
use local::runtime::Function;
use local::workspace::{Profile, binary};

/// Processes of the processor. Each runs one invocation at a time, like an execution environment of Lambda.
pub struct Processors {
    environment: Vec<(&'static str, String)>,
    idle: Mutex<Vec<Function>>,
    free: Semaphore,
    scratch: TempDir,
}

/// The time of each invocation, from its start to its deadline.
const LIFETIME: Duration = Duration::from_mins(5);

impl Processors {
    pub async fn start(count: usize, environment: &[(&'static str, String)]) -> anyhow::Result<Self> {
        let processors = Self {
            environment: environment.to_vec(),
            idle: Mutex::default(),
            free: Semaphore::new(count),
            scratch: tempfile::tempdir()?,
        };
        for _ in 0..count {
            processors.add().await?;
        }
        Ok(processors)
    }

    fn log(&self) -> PathBuf {
        self.scratch.path().join("processor.log")
    }

    async fn add(&self) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let function = Function::start(&binary(Profile::Release, "processor"), &self.environment, log).await?;
        function.init_time().await?;
        self.idle.lock().await.push(function);
        Ok(())
    }

    /// Runs an invocation as soon as a process is free.
    pub async fn run(&self, id: &str, payload: Value) -> Reply {
        self.invoke(id, payload, None).await.unwrap_or(Reply::Dropped)
    }

    /// Runs an invocation, and kills its process if it has not ended after a time.
    pub async fn run_and_kill(&self, id: &str, payload: Value, after: Duration) -> Reply {
        self.invoke(id, payload, Some(after)).await.unwrap_or(Reply::Dropped)
    }

    async fn invoke(&self, id: &str, payload: Value, kill_after: Option<Duration>) -> anyhow::Result<Reply> {
        let _free = self.free.acquire().await?;
        let function = self
            .idle
            .lock()
            .await
            .pop()
            .context("there is a free permit, but no idle process")?;
        let killed_at = Instant::now() + kill_after.unwrap_or(LIFETIME);
        let outcome = tokio::select! {
            outcome = function.invoke(id, payload, LIFETIME) => outcome,
            () = sleep(killed_at - Instant::now()) => {
                function.kill()?;
                self.add().await?;
                // Lambda reports a killed process like this.
                let error = json!({"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"});
                return Ok(Reply::FunctionError(error));
            }
        };
        self.idle.lock().await.push(function);
        Ok(match outcome? {
            Ok(response) => Reply::Ok(response),
            Err(error) => Reply::FunctionError(error),
        })
    }

    /// The peak memory of each process, in bytes.
    pub async fn peak_memory(&self) -> anyhow::Result<Vec<u64>> {
        self.idle.lock().await.iter().map(Function::peak_memory).collect()
    }

    /// The size of the log of all processes together.
    pub fn log_bytes(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(self.log())?.len())
    }

    /// The CPU time of all processes together.
    pub async fn cpu_time(&self) -> anyhow::Result<Duration> {
        self.idle.lock().await.iter().map(Function::cpu_time).sum()
    }

    pub async fn keep_to_one_core(&self) -> anyhow::Result<()> {
        self.idle.lock().await.iter().try_for_each(Function::keep_to_one_core)
    }
}
