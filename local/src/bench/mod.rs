//! What it takes, measured: `cargo local bench`.

mod cloud;
mod cold;
mod faults;
mod kills;
mod listing;
mod memory;
mod processors;
mod scale;

use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::emulator::{Emulator, Profile};
use crate::stop;

#[derive(Subcommand, Debug)]
pub enum Bench {
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
    /// What a cold start takes: initialisation, size, memory
    Cold(cold::Options),
}

pub async fn run(bench: Bench) -> anyhow::Result<ExitCode> {
    println!("building the functions (a first build takes some minutes)");
    Emulator::build(Profile::Release).await?;
    let work = async {
        match bench {
            Bench::Scale(options) => scale::run(options).await,
            Bench::Listing(options) => listing::run(options).await,
            Bench::Kills(options) => kills::run(options).await,
            Bench::Faults(options) => faults::run(options).await,
            Bench::Memory(options) => memory::run(options).await,
            Bench::Cold(options) => cold::run(options).await,
        }
    };
    tokio::select! {
        result = work => result,
        () = stop::requested() => {
            eprintln!("stopped");
            Ok(ExitCode::FAILURE)
        }
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
