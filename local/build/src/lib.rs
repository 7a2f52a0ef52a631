//! Builds what runs on this machine. This crate has no dependencies, because it runs before anything else is built.
//!
//! | module | content |
//! |---|---|
//! | [`left`] | what is left to build, and how long that takes |

pub mod left;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of the demo.
pub const PROGRAMS: [&str; 3] = ["local", "fanout", "processor"];

/// The folder with the workspace's `Cargo.toml`.
///
/// # Panics
/// Never: this crate is two folders below it.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate is two folders below the workspace")
}

/// The folder for builds and tools.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}

/// A command that runs Cargo in the workspace: the Cargo that runs this process, or else the one on PATH.
#[must_use]
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    outside_cargo(&mut command);
    command.current_dir(workspace());
    command
}

/// Removes the variables with which `cargo run` and `cargo test` describe the package to their child. Build scripts
/// that read these variables, such as that of ring, would otherwise run again in every build that starts from here.
pub fn outside_cargo(command: &mut Command) {
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
}
