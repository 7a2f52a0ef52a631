use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rustix::time::{ClockId, clock_gettime};

use super::kinds::make;
use super::programs::{Picture, Result as Made};
use local::process::peak_memory;

/// The options of the process, in the same order as those of the other programs.
#[derive(Args, Debug)]
pub struct Options {
    runs: u16,
    edge: u32,
    format: Format,
    out: PathBuf,
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Jpeg,
    Webp,
}

/// Makes the pictures, and prints one line of JSON.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let target = match options.format {
        Format::Jpeg => picture::Target::Jpeg,
        Format::Webp => picture::Target::WebP,
    };
    let mut files = Vec::new();
    for path in &options.files {
        let file = std::fs::read(path)?;
        let (mut all_cpu_ms, mut all_ms, mut picture) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let (started, cpu_before) = (Instant::now(), cpu_seconds());
            picture = black_box(make(&file, options.edge, target)?);
            all_cpu_ms.push((cpu_seconds() - cpu_before) * 1000.0);
            all_ms.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        let name = path.file_name().context("a file has a name")?;
        std::fs::write(options.out.join(name), &picture)?;
        files.push(Picture {
            name: name.to_string_lossy().into_owned(),
            bytes: picture.len() as u64,
            cpu_ms: all_cpu_ms,
            ms: all_ms,
        });
    }
    let peak_bytes = peak_memory(std::process::id())?;
    println!("{}", serde_json::to_string(&Made { files, peak_bytes })?);
    Ok(())
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
