//! The command `cargo local`. It is a separate crate because it uses both the developer's cloud ([`local`]) and the
//! benchmarks ([`bench`]), which depend on [`local`] too.
//!
//! | command | code |
//! |---|---|
//! | `demo` | [`local::demo`], where tests can also run it |
//! | `s3` | [`s3`] |
//! | `exif` | [`exif`] |
//! | `dataset` | [`dataset`] |
//! | `bench` | the crate [`bench`] |

mod dataset;
mod exif;
mod s3;
mod strip;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::demo;

/// Runs, tests and measures s3-exif on this machine, without AWS.
#[derive(Parser)]
#[command(name = "cargo local", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole job on this machine, and check every object afterwards
    Demo(demo::Options),
    /// Run an S3 server that keeps its objects in memory
    S3(s3::Options),
    /// Measure speed, CPU time, memory and cost, and compare with other programs
    Bench(bench::Options),
    /// Print the record of each file, one per line
    Exif(exif::Options),
    /// Write sample photos to a folder, with the same bytes every time
    Dataset(dataset::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse().command).await.unwrap_or_else(|error| {
        // Without a stack trace: the message says what to do.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(options) => demo::run(options).await,
        Command::S3(options) => s3::run(options).await,
        Command::Bench(options) => bench::run(options).await,
        Command::Exif(options) => exif::run(&options),
        Command::Dataset(options) => dataset::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn all_commands_and_options_are_consistent() {
        Cli::command().debug_assert();
    }
}
