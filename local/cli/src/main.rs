//! The command `cargo local`. It is a crate of its own, above both the developer's cloud ([`local`]) and the
//! benchmarks ([`bench`], which need that cloud themselves).
//!
//! | command | where it is |
//! |---|---|
//! | `demo` | [`local::demo`], so that tests can run it |
//! | `s3` | [`s3`] |
//! | `exif` | [`exif`] |
//! | `dataset` | [`dataset`] |
//! | `bench` | the crate [`bench`] |

mod dataset;
mod exif;
mod s3;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::demo;

/// The developer's cloud of s3-exif: an S3 server, sample photos and the whole job on one machine.
#[derive(Parser)]
#[command(name = "cargo local", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole job here: S3 server, `cargo lambda watch`, fan-out, and a check of every object
    Demo(demo::Options),
    /// Serve S3 from memory
    S3(s3::Options),
    /// Measure what it takes
    Bench(bench::Options),
    /// Print the record of each image on disk, one a line
    Exif(exif::Options),
    /// Write sample photos, the same bytes every time
    Dataset(dataset::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
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
    fn the_options_of_all_commands_fit_together() {
        Cli::command().debug_assert();
    }
}
