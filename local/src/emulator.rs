//! `cargo lambda watch`: the Lambda emulator, run as a child process.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::process;
use crate::workspace::{self, Profile, outside_cargo};

const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the emulator may take to end its functions before it is killed.
const CLEANUP_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// A running emulator with both functions. Dropping it ends all of them.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    pub address: SocketAddr,
}

impl Emulator {
    /// Starts the emulator on a free port and waits until it listens. `concurrency` is the number of processes for each
    /// function. Their output goes to `log`.
    pub async fn start(
        cargo_lambda: &Path,
        profile: Profile,
        concurrency: usize,
        environment: &[(&'static str, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log_file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut command = Command::new(cargo_lambda);
        outside_cargo(&mut command)
            .current_dir(workspace::folder())
            .args(["lambda", "watch", "--ignore-changes"])
            .args(["--invoke-address", &address.ip().to_string()])
            .args(["--invoke-port", &address.port().to_string()])
            .args(["--concurrency", &concurrency.to_string()])
            .env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{address}"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            // With its own process group, Ctrl-C in the terminal reaches only this process, which then ends the
            // emulator in order.
            .process_group(0);
        if profile == Profile::Release {
            command.arg("--release");
        }
        let child = command.spawn().context("cargo lambda watch cannot be started")?;
        let mut emulator = Self { child, address };
        emulator
            .until_listening()
            .await
            .with_context(|| format!("the emulator's output is in {}", log.display()))?;
        Ok(emulator)
    }

    async fn until_listening(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + STARTUP_TIMEOUT;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("cargo lambda watch ended before it listened: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "cargo lambda watch did not listen within {STARTUP_TIMEOUT:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Ends the emulator and its functions, also when a caller stops half-way. It sends SIGINT first, and kills what is
/// left. Each function has its own session and may outlive the emulator, so the functions are looked up while the
/// emulator is still their parent.
impl Drop for Emulator {
    fn drop(&mut self) {
        let Some(id) = self.child.id() else {
            return;
        };
        let functions = process::descendants(id);
        signal(id, Signal::INT);
        let killed_at = Instant::now() + CLEANUP_GRACE_PERIOD;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() >= killed_at {
                signal(id, Signal::KILL);
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for function in functions {
            signal(function, Signal::KILL);
        }
    }
}

/// Sends a signal. It fails only if the process has ended, which is the goal.
fn signal(id: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(id.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}
