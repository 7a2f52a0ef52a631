//! `cargo local dataset`: writes sample photos to a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use local::dataset;
use local::terminal::bar;

#[derive(Args)]
pub struct Options {
    /// Folder for the photos; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of photos
    #[arg(long, default_value_t = dataset::COUNT)]
    count: usize,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Options { out, count } = options;
    let progress = bar(*count, "photos");
    let bytes = dataset::write(out, *count, &progress)?;
    progress.finish_and_clear();
    println!("wrote {count} photos ({bytes} bytes) to {}", out.display());
    Ok(ExitCode::SUCCESS)
}
