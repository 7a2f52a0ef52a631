//! Runs the simulator, which is a program of its own: Tokio's paused clock must not be part of any other program.

mod faults;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use local::workspace::{cargo, folder};
use tokio::process::Command;

#[derive(Args, Debug)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Number of seeds
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first seed, as a run prints it
    #[arg(long)]
    seed: Option<String>,
    /// Stop after this many seeds that fail
    #[arg(long, default_value_t = 1)]
    failures: u64,
    /// Print each seed with the hash of its trace
    #[arg(long)]
    hashes: bool,
    /// Print the whole traces
    #[arg(long)]
    trace: bool,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Put one deliberate fault after the other into a copy of the code, and count the seeds until it is found
    Faults(faults::Options),
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    if let Some(What::Faults(options)) = options.what {
        return faults::run(&options).await;
    }
    println!("building the simulator (the first build takes some minutes)");
    let mut command = simulator(folder());
    for (name, value) in [("--seeds", options.seeds), ("--failures", options.failures)] {
        command.args([name, &value.to_string()]);
    }
    if let Some(seed) = &options.seed {
        command.args(["--seed", seed]);
    }
    for (name, is_set) in [("--hashes", options.hashes), ("--trace", options.trace)] {
        if is_set {
            command.arg(name);
        }
    }
    let status = command.status().await.context("Cargo cannot be started")?;
    Ok(ExitCode::from(u8::from(!status.success())))
}

/// A command that builds and runs the simulator of a workspace.
fn simulator(workspace: &Path) -> Command {
    let mut command = cargo();
    command
        .current_dir(workspace)
        .args(["run", "--quiet", "--profile", "simulation", "--package", "simulator"])
        .args(["--example", "simulate", "--"])
        .kill_on_drop(true);
    command
}
