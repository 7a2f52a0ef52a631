use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::cloud::binary;
use super::{megabytes, table};
use crate::runtime::Function;
use crate::s3::Server;

#[derive(Args, Debug)]
pub struct Options {
    /// Starts of each function
    #[arg(long, default_value_t = 20)]
    starts: usize,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "{} starts of each function as a process, from its start to its first request for work",
        options.starts
    );
    let server = Server::start(0).await?;
    let mut environment = server.environment();
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9000".to_owned()));
    let mut rows = table([
        "function",
        "median",
        "fastest",
        "slowest",
        "memory at rest",
        "bootstrap",
        "zip",
    ]);
    for name in ["fanout", "processor"] {
        let (mut times, mut memory) = (Vec::new(), 0);
        for _ in 0..options.starts {
            let function = Function::start(&binary(name), &environment, tempfile::tempfile()?).await?;
            times.push(function.init_time().await?);
            memory = function.peak_memory()?;
        }
        times.sort_unstable();
        let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let bootstrap = std::fs::read(binary(name))?;
        rows.add_row([
            name.to_owned(),
            milliseconds(times[times.len() / 2]),
            milliseconds(times[0]),
            milliseconds(times[times.len() - 1]),
            megabytes(memory),
            megabytes(bootstrap.len() as u64),
            megabytes(zipped(&bootstrap)?),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

/// What a zip of a file takes; the names in it are not worth counting.
fn zipped(file: &[u8]) -> anyhow::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(file)?;
    Ok(encoder.finish()?.len() as u64)
}
