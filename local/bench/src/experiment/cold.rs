//! Cold starts of the functions, compared with a function that does nothing.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use local::runtime::Function;
use local::s3::Server;
use local::workspace::{self, Profile, binary};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cold {
    pub function: String,
    /// For each start, the time from the start of the process to its first request for an invocation, in milliseconds.
    pub init_ms: Vec<f64>,
    /// Peak memory after a start, before the first invocation.
    pub memory_bytes: u64,
    pub bootstrap_bytes: u64,
    pub zip_bytes: u64,
}

pub async fn measure(quick: bool) -> anyhow::Result<Vec<Cold>> {
    let starts = if quick { 20 } else { 50 };
    let server = Server::start(0).await?;
    let mut environment = server.environment();
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9000".to_owned()));
    let functions = [
        ("fanout", binary(Profile::Release, "fanout")),
        ("processor", binary(Profile::Release, "processor")),
        ("a function that does nothing", nothing().await?),
    ];
    let mut all = Vec::new();
    for (name, binary) in functions {
        let (mut init_ms, mut memory_bytes) = (Vec::new(), 0);
        for _ in 0..starts {
            let function = Function::start(&binary, &environment, tempfile::tempfile()?).await?;
            init_ms.push(milliseconds(function.init_time().await?));
            memory_bytes = function.peak_memory()?;
        }
        let bootstrap = std::fs::read(binary)?;
        all.push(Cold {
            function: name.to_owned(),
            init_ms,
            memory_bytes,
            bootstrap_bytes: bootstrap.len() as u64,
            zip_bytes: zipped(&bootstrap)?,
        });
    }
    Ok(all)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Builds the function that does nothing, in the same way as the others.
async fn nothing() -> anyhow::Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--release", "--quiet", "--bin", "nothing"]);
    workspace::run(&mut command).await?;
    Ok(binary(Profile::Release, "nothing"))
}

/// The size of a zip of a file, without the few bytes of its directory.
fn zipped(file: &[u8]) -> anyhow::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(file)?;
    Ok(encoder.finish()?.len() as u64)
}
