//! What it takes, measured: `cargo local bench`.

mod cloud;
mod experiment;
mod faults;
mod kills;
mod listing;
mod memory;
mod processors;
mod scale;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::emulator::{Emulator, Profile};
use crate::stop;

/// Without a command: the guide's experiment with all that belongs to it, and the report
#[derive(Args, Debug)]
pub struct Options {
    #[command(subcommand)]
    bench: Option<Bench>,
    #[command(flatten)]
    experiment: experiment::Options,
}

#[derive(Subcommand, Debug)]
enum Bench {
    /// The guide's experiment: one after the other, more hardware, more processes, many at a time, fanned out
    Guide,
    /// Other programs for the same work, in Python and Rust, and s5cmd
    Peers,
    /// Speed and cost, by what becomes of an image and by its size
    Pipelines,
    /// What a cold start takes: initialisation, size, memory
    Cold,
    /// Time and memory of fanout over more and more keys, invocations answered at once
    Scale(scale::Options),
    /// A listing in many ranges at once beside one page after page
    Listing(listing::Options),
    /// Jobs whose fanout is killed again and again, each key looked for afterwards
    Kills(kills::Options),
    /// A job with every fault that passes and some that do not, beside the same job in peace
    Faults(faults::Options),
    /// Time, CPU and the most memory of one processor, for images of several sizes
    Memory(memory::Options),
    /// The S3 server of the experiment
    #[command(hide = true)]
    Serve(experiment::ServerOptions),
    /// A peer in Rust
    #[command(hide = true)]
    Client(experiment::ClientOptions),
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    // Parts of this program as processes of their own, which the others start.
    match options.bench {
        Some(Bench::Serve(options)) => return experiment::serve(options).await.map(|()| ExitCode::SUCCESS),
        Some(Bench::Client(options)) => return experiment::client(options).await.map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    println!("building the functions (a first build takes some minutes)");
    Emulator::build(Profile::Release).await?;
    tokio::select! {
        result = measure(options) => result,
        () = stop::requested() => {
            eprintln!("stopped");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn measure(Options { bench, experiment }: Options) -> anyhow::Result<ExitCode> {
    use experiment::Part;

    let parts: &[Part] = match &bench {
        None => &Part::ALL,
        Some(Bench::Guide) => &[Part::Guide],
        Some(Bench::Peers) => &[Part::Peers],
        Some(Bench::Pipelines) => &[Part::Pipelines],
        Some(Bench::Cold) => &[Part::Cold],
        Some(_) => &[],
    };
    match bench {
        Some(Bench::Scale(options)) => scale::run(options).await,
        Some(Bench::Listing(options)) => listing::run(options).await,
        Some(Bench::Kills(options)) => kills::run(options).await,
        Some(Bench::Faults(options)) => faults::run(options).await,
        Some(Bench::Memory(options)) => memory::run(options).await,
        _ => experiment::run(parts, experiment).await,
    }
}

/// A table that a terminal and Markdown can show.
fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table
}

/// In MB, of a million bytes.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
