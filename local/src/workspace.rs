//! The workspace of this crate: its paths, and how Cargo builds the functions in it.

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
        .expect("the folder of this crate has a parent, which is the workspace")
}

/// The folder for builds and tools.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder().join("target"), |dir| folder().join(dir))
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

/// A command that runs Cargo in the workspace: the Cargo that runs this process, or else the one on PATH.
#[must_use]
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    outside_cargo(&mut command).current_dir(folder());
    command
}

/// Removes the variables with which `cargo run` and `cargo test` describe the package to their child. Build scripts
/// that read these variables, such as that of ring, would otherwise run again in every build that starts from here.
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
