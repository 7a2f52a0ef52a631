//! The workspace of this crate: its paths, and how Cargo builds the functions in it.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
pub use local_build::{target, workspace as folder};
use tokio::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Release,
    Dev,
}

/// The path of a built function.
#[must_use]
pub fn binary(profile: Profile, name: &str) -> PathBuf {
    let build = match profile {
        Profile::Release => "release",
        Profile::Dev => "debug",
    };
    target().join(build).join(name)
}

/// Builds both functions. This takes minutes the first time.
pub async fn build_functions(profile: Profile) -> anyhow::Result<()> {
    let mut command = cargo();
    command.args(["build", "--bin", "fanout", "--bin", "processor"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command).await.context("the functions could not be built")
}

/// A command that runs Cargo in the workspace.
#[must_use]
pub fn cargo() -> Command {
    Command::from(local_build::cargo())
}

/// Removes what describes the package of this process: see [`local_build::outside_cargo`].
pub fn outside_cargo(command: &mut Command) -> &mut Command {
    local_build::outside_cargo(command.as_std_mut());
    command
}

/// Runs a program to its end. Fails unless the program succeeds.
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
