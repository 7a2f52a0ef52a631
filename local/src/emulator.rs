//! `cargo lambda watch`: the Lambda emulator, found or installed, and run as a child of this process.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sysinfo::{ProcessRefreshKind, RefreshKind, System};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// The version this project is tested with, a prebuilt wheel.
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";

const STARTUP: Duration = Duration::from_secs(60);

/// How long the emulator gets to end its functions before it is killed.
const GOODBYE: Duration = Duration::from_secs(5);

/// The folder with the workspace's `Cargo.toml`.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
}

/// Where builds and tools go.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}

#[must_use]
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Finds `cargo-lambda` on PATH, or installs it into a virtual environment below `target/`.
pub async fn cargo_lambda() -> anyhow::Result<PathBuf> {
    let on_path = PathBuf::from("cargo-lambda");
    if works(&on_path).await {
        return Ok(on_path);
    }
    let tools = target().join("tools");
    // Tests run side by side: one installs, the others wait for it.
    let _lock = lock(tools.clone()).await?;
    let environment = tools.join(CARGO_LAMBDA.replace("==", "-"));
    let installed = environment.join("bin/cargo-lambda");
    if works(&installed).await {
        return Ok(installed);
    }
    println!(
        "cargo-lambda is not on PATH: installing {CARGO_LAMBDA} into {}",
        environment.display()
    );
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment))
    .await
    .context("no virtual environment could be made: is Python 3 installed, with its venv module?")?;
    run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", CARGO_LAMBDA]))
        .await
        .with_context(|| format!("{CARGO_LAMBDA} could not be installed"))?;
    ensure!(works(&installed).await, "{} does not run", installed.display());
    Ok(installed)
}

/// Waits until no other process installs tools; the lock ends with the file.
async fn lock(tools: PathBuf) -> anyhow::Result<File> {
    spawn_blocking(move || {
        std::fs::create_dir_all(&tools)?;
        let file = File::create(tools.join("lock"))?;
        file.lock()?;
        Ok(file)
    })
    .await?
}

/// Takes away what `cargo run` and `cargo test` tell their child about its package. Build scripts that
/// look at these variables (ring's does) would otherwise take every build from here for a new one.
pub fn outside_cargo(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let told = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_PRIMARY_",
        ];
        if name
            .to_str()
            .is_some_and(|name| told.iter().any(|start| name.starts_with(start)))
        {
            command.env_remove(name);
        }
    }
    command
}

async fn works(program: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .args(["lambda", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

pub async fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.as_std().get_program().to_owned();
    let status = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("{} cannot be started", program.display()))?;
    ensure!(status.success(), "{} failed: {status}", program.display());
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Release,
    Dev,
}

/// A running emulator with both functions. It and they end when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    pub address: SocketAddr,
}

impl Emulator {
    /// Builds the functions, which takes minutes the first time, and says so.
    pub async fn build(profile: Profile) -> anyhow::Result<()> {
        let mut command = Command::new(cargo());
        outside_cargo(&mut command)
            .current_dir(workspace())
            .args(["build", "--bin", "fanout", "--bin", "processor"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        run(&mut command).await.context("the functions could not be built")
    }

    /// Starts the emulator on a free port and waits until it listens. `concurrency` is the number of
    /// processes for each function; what they print goes to `log`.
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
            .current_dir(workspace())
            .args(["lambda", "watch", "--ignore-changes"])
            .args(["--invoke-address", &address.ip().to_string()])
            .args(["--invoke-port", &address.port().to_string()])
            .args(["--concurrency", &concurrency.to_string()])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{address}"))
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            // A group of its own: Ctrl-C in the terminal reaches us alone, and we end it in order.
            .process_group(0);
        if profile == Profile::Release {
            command.arg("--release");
        }
        let child = command.spawn().context("cargo lambda watch cannot be started")?;
        let mut emulator = Self { child, address };
        emulator
            .until_listening()
            .await
            .with_context(|| format!("what it said is in {}", log.display()))?;
        Ok(emulator)
    }

    async fn until_listening(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + STARTUP;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("cargo lambda watch ended at once: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "cargo lambda watch did not listen within {STARTUP:?}"
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

/// Ends the emulator and its functions, also when the work with them is dropped half-way: by asking
/// first, then by killing what is left. Each function has a session of its own and may outlive the
/// emulator, so they are looked up while it is still their parent.
impl Drop for Emulator {
    fn drop(&mut self) {
        let Some(id) = self.child.id() else {
            return;
        };
        let functions = descendants(id);
        signal(id, Signal::INT);
        let killed_at = Instant::now() + GOODBYE;
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

/// An error of a signal is that the process is gone, which is what is wanted.
fn signal(id: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(id.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

/// The processes that a process started, and those that they started.
fn descendants(id: u32) -> Vec<u32> {
    let processes = RefreshKind::nothing().with_processes(ProcessRefreshKind::nothing());
    let system = System::new_with_specifics(processes);
    let mut found = vec![id];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = system.processes().iter().filter(|(_, process)| {
            process.thread_kind().is_none() && process.parent().is_some_and(|id| id.as_u32() == parent)
        });
        found.extend(children.map(|(id, _)| id.as_u32()));
        next += 1;
    }
    found.split_off(1)
}
