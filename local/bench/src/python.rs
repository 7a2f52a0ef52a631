//! The peers in Python, in their own virtual environment below `target/`.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use local::tools;
use local::workspace;

const ENVIRONMENT: &str = "peers";

/// A command that runs one of our Python programs.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(binary("python"));
    command.arg(folder().join(name)).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The folder with the programs of all peers.
pub fn folder() -> PathBuf {
    workspace::folder().join("local/peers")
}

/// A program that a package brings.
pub fn binary(name: &str) -> PathBuf {
    environment().join("bin").join(name)
}

/// The folder of an installed package.
pub fn package(name: &str) -> anyhow::Result<PathBuf> {
    // Its name has the version of Python.
    let versions = std::fs::read_dir(environment().join("lib"))?;
    let folders = versions
        .flatten()
        .map(|version| version.path().join("site-packages").join(name));
    let mut found = folders.filter(|folder| folder.is_dir());
    found.next().with_context(|| format!("{name} is not installed"))
}

fn environment() -> PathBuf {
    tools::folder().join(ENVIRONMENT)
}

/// Installs the packages that our Python programs need, unless they are installed.
pub async fn install() -> anyhow::Result<()> {
    tools::python(ENVIRONMENT, &folder().join("requirements.txt")).await?;
    Ok(())
}

/// Runs a program to its end, and returns what it printed. Its standard error goes to ours.
pub async fn printed(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output().await?;
    ensure!(
        output.status.success(),
        "{:?} failed: {}",
        command.as_std(),
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}
