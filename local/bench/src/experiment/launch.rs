//! Runs a program once: starts its server and its processes, and measures them.

use anyhow::{Context as _, ensure};
use aws_sdk_s3::Client;
use clap::ValueEnum as _;
use local::s3::REGION;
use tokio::process::Command;

use super::functions::{fanout, processors};
use super::outputs::{list, right};
use super::program::{Load, Program, Taken};
use super::run::Run;
use super::rust_peers::Printed;
use super::server::Server;
use crate::photos::SOURCE;
use crate::python;

/// Runs a program once, with a new server and new processes.
pub async fn run(program: Program, load: &Load) -> anyhow::Result<Run> {
    let mut server = Server::start(load).await?;
    let s3 = Client::new(&server.sdk().await);
    let images = list(&s3, SOURCE, "").await?;
    let (before, cpu_before) = (server.counted().await?, server.cpu_time()?);
    let taken = match program {
        Program::Processors(setting) => processors(&server, load, &images, setting).await?,
        Program::Fanout { parallel, concurrency } => fanout(&server, load, &images, parallel, concurrency).await?,
        Program::Rust { peer, in_flight } => {
            let mut command = Command::new(std::env::current_exe()?);
            let name = peer.to_possible_value().context("the peer has no name")?;
            command
                .args(["bench", "client", name.get_name()])
                .args(["--in-flight", &in_flight.to_string()]);
            run_peer(&server, command, images.len()).await?
        }
        Program::Python { how, workers } => {
            let mut command = python::program("pipeline.py");
            command.args([how, "--workers", &workers.to_string()]);
            run_peer(&server, command, images.len()).await?
        }
    };
    let server_cpu = server.cpu_time()?.saturating_sub(cpu_before);
    let after = server.counted().await?;
    let mut requests = after.totals.requests;
    requests.get -= before.totals.requests.get;
    requests.list -= before.totals.requests.list;
    let right = right(&s3, &images, load, program.writes_records()).await?;
    Ok(Run {
        images: images.len() as u64,
        right,
        seconds: taken.seconds,
        cpu_seconds: taken.cpu_seconds,
        server_cpu_seconds: server_cpu.as_secs_f64(),
        peak_bytes: taken.peak_bytes,
        requests,
        bytes_read: after.totals.bytes_read,
        bytes_written: after.totals.bytes_written,
        connections: after.connections - before.connections,
        stages: taken.stages,
    })
}

async fn run_peer(server: &Server, mut command: Command, images: usize) -> anyhow::Result<Taken> {
    command
        .args(["--images", &images.to_string()])
        .envs(server.environment()?)
        // botocore has its own name for `AWS_REGION`.
        .env("AWS_DEFAULT_REGION", REGION)
        .kill_on_drop(true);
    let printed = python::printed(&mut command).await?;
    let printed: Printed = serde_json::from_str(printed.trim())
        .with_context(|| format!("a peer should print one line of JSON, but printed {printed:?}"))?;
    let done = printed.images;
    ensure!(done == images, "a peer processed only {done} of {images} images");
    Ok(Taken {
        seconds: printed.seconds,
        cpu_seconds: printed.cpu_seconds,
        peak_bytes: printed.peak_bytes,
        stages: printed.stages * (1000.0 / images as f64),
    })
}
