//! `cargo local dataset`: writes sample photos to a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use local::dataset;
use local::terminal::bar;

#[derive(Args)]
pub struct Options {
    /// The folder to write them to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many
    #[arg(long, default_value_t = dataset::COUNT)]
    count: usize,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Options { out, count } = options;
    let progress = bar(*count, "photos");
    let bytes = dataset::write(out, *count, &progress)?;
    progress.finish_and_clear();
    println!("{count} photos, {bytes} bytes, in {}", out.display());
    Ok(ExitCode::SUCCESS)
}
