//! The benchmarks: `cargo local bench`.
//!
//! | module | content |
//! |---|---|
//! | [`experiment`] | the guide's experiment, in the parts `guide`, `peers`, `pipelines` and `cold` |
//! | [`scale`] | time and memory of fanout for more and more keys |
//! | [`listing`] | fanout's parallel listing, compared with one page after another |
//! | [`fanout`] | how busy fanout keeps the processors |
//! | [`plan`] | plans, compared with their jobs |
//! | [`kills`] | jobs whose fanout is killed repeatedly |
//! | [`simulate`] | whole jobs in simulated time, and deliberate faults |
//! | [`faults`] | a job with faults, compared with the same job without faults |
//! | [`queue`] | uploads through the queue, compared with uploads that each invoke the processor |
//! | [`memory`] | time, CPU time and memory of one processor |
//! | [`transform`] | one processor that makes pictures |
//! | [`codecs`] | our codecs, compared with sharp and Pillow |
//! | [`parsing`] | the reading of metadata, compared with other libraries, without S3 |
//! | [`stripping`] | the removal of metadata, compared with other tools, without S3 |
//! | [`cloud`] | a source of counted keys, fanout, and processors that do no work |
//! | [`occupancy`] | how busy the slots of a job are |
//! | [`processors`] | processes of the processor, each with one invocation at a time |
//! | [`photos`] | the images |
//! | [`python`], [`node`] | the peers in Python and JavaScript |
//! | [`quota`] | the CPU time of a function with little memory |
//! | [`tls`] | a certificate for servers with TLS |
//! | [`spread`], [`table`] | medians; results as tables |
//!
//! This crate is a library. The program is `cargo local` (crate `local-cli`). The experiment starts this program again
//! as separate processes, with `bench serve`, `bench client` and `bench pictures`.

mod cloud;
mod codecs;
mod experiment;
mod fanout;
mod faults;
mod kills;
mod listing;
mod memory;
mod node;
mod occupancy;
mod parsing;
mod photos;
mod plan;
mod processors;
mod python;
mod queue;
mod quota;
mod scale;
mod simulate;
mod spread;
mod stripping;
mod table;
mod tls;
mod transform;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use local::terminal::stop_requested;
use local::workspace::{Profile, build_functions};

use experiment::Part;

/// Without a command, this measures guide, peers, pipelines and cold, and writes the report
// Without `skip`, its argument group would have the same name as the group of the flattened options.
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
    /// Run the guide's experiment: serial, more cores, more processes, more images in flight, fanout
    Guide,
    /// Compare with other programs that do the same work: Python, Rust, s5cmd
    Peers,
    /// Measure speed and cost for each image mode and image size
    Pipelines,
    /// Measure cold starts: initialisation time, memory and size
    Cold,
    /// Measure time and memory of fanout for more and more keys; the processors do no work
    Scale(scale::Options),
    /// Compare fanout's parallel listing with a listing of one page after another
    Listing(listing::Options),
    /// Measure how busy fanout keeps the processors
    Fanout(fanout::Options),
    /// Compare the plan of a job with the job itself
    Plan(plan::Options),
    /// Kill fanout at random moments of many jobs, and check that each key is counted once
    Kills(kills::Options),
    /// Run many jobs in simulated time, with everything that can go wrong, and check that they stay exact
    Simulate(simulate::Options),
    /// Compare a job with injected faults with the same job without faults
    Faults(faults::Options),
    /// Compare uploads through the queue with uploads that each invoke the processor: latency and cost
    Queue(queue::Options),
    /// Measure time, CPU time and peak memory of one processor for images of several sizes
    Memory(memory::Options),
    /// Measure one processor that makes smaller pictures of photos of 12 megapixels
    Transform(transform::Options),
    /// Compare our codecs with sharp and Pillow: speed, quality and memory, without S3
    Codecs(codecs::Options),
    /// Compare the reading of metadata with other libraries, in memory
    Metadata(parsing::Options),
    /// Compare the removal of metadata with other tools, in memory
    Strip(parsing::Options),
    /// Run the S3 server of the experiment
    #[command(hide = true)]
    Serve(experiment::ServerOptions),
    /// Run a peer that is written in Rust
    #[command(hide = true)]
    Client(experiment::RustPeerOptions),
    /// Make pictures with our codecs
    #[command(hide = true)]
    Pictures(codecs::OurOptions),
}

pub async fn run(Options { bench, experiment }: Options) -> anyhow::Result<ExitCode> {
    match bench {
        // The benchmarks start these three as separate processes.
        Some(Bench::Serve(options)) => experiment::serve(options).await.map(|()| ExitCode::SUCCESS),
        Some(Bench::Client(options)) => experiment::rust_peer(options).await.map(|()| ExitCode::SUCCESS),
        Some(Bench::Pictures(options)) => codecs::ours(&options).map(|()| ExitCode::SUCCESS),
        Some(Bench::Codecs(options)) => codecs::run(options).await,
        Some(Bench::Metadata(options)) => parsing::run(options).await,
        Some(Bench::Strip(options)) => stripping::run(options).await,
        Some(Bench::Simulate(options)) => simulate::run(options).await,
        None => with_functions(experiment::run(&Part::ALL, experiment)).await,
        Some(Bench::Guide) => with_functions(experiment::run(&[Part::Guide], experiment)).await,
        Some(Bench::Peers) => with_functions(experiment::run(&[Part::Peers], experiment)).await,
        Some(Bench::Pipelines) => with_functions(experiment::run(&[Part::Pipelines], experiment)).await,
        Some(Bench::Cold) => with_functions(experiment::run(&[Part::Cold], experiment)).await,
        Some(Bench::Scale(options)) => with_functions(scale::run(options)).await,
        Some(Bench::Listing(options)) => with_functions(listing::run(options)).await,
        Some(Bench::Fanout(options)) => with_functions(fanout::run(options)).await,
        Some(Bench::Plan(options)) => with_functions(plan::run(options)).await,
        Some(Bench::Kills(options)) => with_functions(kills::run(options)).await,
        Some(Bench::Faults(options)) => with_functions(faults::run(options)).await,
        Some(Bench::Queue(options)) => with_functions(queue::run(options)).await,
        Some(Bench::Memory(options)) => with_functions(memory::run(options)).await,
        Some(Bench::Transform(options)) => with_functions(transform::run(options)).await,
    }
}

/// Builds the functions and measures. Ctrl-C stops the measurement.
async fn with_functions(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    println!("building the functions (the first build takes some minutes)");
    build_functions(Profile::Release).await?;
    tokio::select! {
        result = work => result,
        () = stop_requested() => {
            eprintln!("stopped");
            Ok(ExitCode::FAILURE)
        }
    }
}
