//! What it takes, measured: `cargo local bench`.
//!
//! | module | what it is |
//! |---|---|
//! | [`experiment`] | the guide's experiment, with its parts `guide`, `peers`, `pipelines` and `cold` |
//! | [`scale`] | time and memory of fanout over more and more keys |
//! | [`listing`] | a listing in many ranges beside one page after page |
//! | [`kills`] | jobs whose fanout is killed again and again |
//! | [`faults`] | a job with faults beside the same job in peace |
//! | [`memory`] | time, CPU and memory of one processor |
//! | [`cloud`] | a source of counted keys, fanout, and processors that do no work |
//! | [`processors`] | processes of the processor, one invocation at a time in each |
//! | [`table`] | results as tables |
//!
//! The crate is a library: the command `cargo local` (crate `local-cli`) holds it, and is also the program of the
//! processes that the experiment starts, by `bench serve` and `bench client`.

mod cloud;
mod experiment;
mod faults;
mod kills;
mod listing;
mod memory;
mod processors;
mod scale;
mod table;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use local::terminal::stop_requested;
use local::workspace::{Profile, build_functions};

use experiment::Part;

/// Without a command: the guide's experiment with all that belongs to it, and the report
// Its group would have the name of the one that is flattened into it.
#[derive(Args, Debug)]
#[group(skip)]
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
    /// Time and memory of fanout over more and more keys, invocations that do no work
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
    Client(experiment::RustPeerOptions),
}

pub async fn run(Options { bench, experiment }: Options) -> anyhow::Result<ExitCode> {
    match bench {
        // Processes that the others start.
        Some(Bench::Serve(options)) => experiment::serve(options).await.map(|()| ExitCode::SUCCESS),
        Some(Bench::Client(options)) => experiment::rust_peer(options).await.map(|()| ExitCode::SUCCESS),
        None => with_functions(experiment::run(&Part::ALL, experiment)).await,
        Some(Bench::Guide) => with_functions(experiment::run(&[Part::Guide], experiment)).await,
        Some(Bench::Peers) => with_functions(experiment::run(&[Part::Peers], experiment)).await,
        Some(Bench::Pipelines) => with_functions(experiment::run(&[Part::Pipelines], experiment)).await,
        Some(Bench::Cold) => with_functions(experiment::run(&[Part::Cold], experiment)).await,
        Some(Bench::Scale(options)) => with_functions(scale::run(options)).await,
        Some(Bench::Listing(options)) => with_functions(listing::run(options)).await,
        Some(Bench::Kills(options)) => with_functions(kills::run(options)).await,
        Some(Bench::Faults(options)) => with_functions(faults::run(options)).await,
        Some(Bench::Memory(options)) => with_functions(memory::run(options)).await,
    }
}

/// Builds the functions, and measures until told to stop.
async fn with_functions(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    println!("building the functions (a first build takes some minutes)");
    build_functions(Profile::Release).await?;
    tokio::select! {
        result = work => result,
        () = stop_requested() => {
            eprintln!("stopped");
            Ok(ExitCode::FAILURE)
        }
    }
}
