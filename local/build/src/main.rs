//! `cargo demo`: builds the programs of the demo in one go, and runs it.
//!
//! Cargo builds both the demo and the functions here, so there is one build and one progress bar, which is Cargo's own.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use local_build::left::Left;
use local_build::{PROGRAMS, cargo, outside_cargo, target};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::io::Result<ExitCode> {
    let left = Left::find()?;
    let mut build = cargo();
    build.args(["build", "--release"]);
    for program in PROGRAMS {
        build.args(["--bin", program]);
    }
    if left.is_nothing() {
        build.arg("--quiet");
    } else {
        println!("{left}");
    }
    if !build.status()?.success() {
        // Cargo has said why.
        return Ok(ExitCode::FAILURE);
    }
    let mut demo = Command::new(target().join("release/local"));
    outside_cargo(&mut demo);
    // Takes the place of this process. It returns only if that fails.
    Err(demo.arg("demo").args(env::args_os().skip(1)).exec())
}
