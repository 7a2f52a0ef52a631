//! The workspace that this crate lies in, and Cargo run in it: where things are, and how the functions are built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Release,
    Dev,
}

/// The folder with the workspace's `Cargo.toml`.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
}

/// Where builds and tools go.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder().join("target"), |dir| folder().join(dir))
}

/// Where a build of a function lies.
#[must_use]
pub fn binary(profile: Profile, name: &str) -> PathBuf {
    let build = match profile {
        Profile::Release => "release",
        Profile::Dev => "debug",
    };
    target().join(build).join(name)
}

/// Builds both functions, which takes minutes the first time.
pub async fn build_functions(profile: Profile) -> anyhow::Result<()> {
    let mut command = cargo();
    command.args(["build", "--bin", "fanout", "--bin", "processor"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command).await.context("the functions could not be built")
}

/// The Cargo that runs us, or else the one on PATH, to be run in the workspace.
#[must_use]
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    outside_cargo(&mut command).current_dir(folder());
    command
}

/// Takes away what `cargo run` and `cargo test` tell their child about its package. Build scripts that
/// look at these variables (ring's does) would otherwise take every build from here for a new one.
pub fn outside_cargo(command: &mut Command) -> &mut Command {
    const ABOUT_THE_PACKAGE: [&str; 5] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ];
    for (name, _) in std::env::vars_os() {
        let is_about_the_package = |name: &str| ABOUT_THE_PACKAGE.iter().any(|start| name.starts_with(start));
        if name.to_str().is_some_and(is_about_the_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program to its end, which must be a good one.
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
