use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use local::s3::{Chances, Latency};
use local::{bench, commands, demo, exif};

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
    S3 {
        /// 0 takes any free one
        #[arg(long, default_value_t = 9500)]
        port: u16,
        /// Load the files of a folder into the bucket, keyed by their paths in it
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The bucket to make; NAME-out is made for the results
        #[arg(long, value_name = "NAME", default_value = "photos")]
        bucket: String,
        /// What each GET and HEAD takes at least, as in 800ms
        #[arg(long, value_parser = commands::duration, default_value = "0s")]
        get_latency: Duration,
        /// What each PUT and COPY takes at least
        #[arg(long, value_parser = commands::duration, default_value = "0s")]
        put_latency: Duration,
        /// What each page of a listing takes at least
        #[arg(long, value_parser = commands::duration, default_value = "0s")]
        list_latency: Duration,
        #[command(flatten)]
        chances: Chances,
    },
    /// Measure what it takes
    Bench(bench::Options),
    /// Print the record of each image on disk, one a line
    Exif(exif::Options),
    /// Write sample photos, the same bytes every time
    Dataset {
        /// The folder to write them to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How many
        #[arg(long, default_value_t = local::dataset::COUNT)]
        count: usize,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Demo(options) => demo::run(options).await,
        Command::S3 {
            port,
            data,
            bucket,
            get_latency,
            put_latency,
            list_latency,
            chances,
        } => {
            let latency = Latency {
                get: get_latency,
                put: put_latency,
                list: list_latency,
            };
            commands::s3(port, data.as_deref(), &bucket, latency, chances).await
        }
        Command::Bench(options) => bench::run(options).await,
        Command::Exif(options) => exif::run(&options),
        Command::Dataset { out, count } => commands::dataset(&out, count),
    }
}
