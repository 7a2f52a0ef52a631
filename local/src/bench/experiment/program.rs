//! The programs that are measured, and how each is run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_s3::Client;
use clap::ValueEnum as _;
use shared::modes::Images;
use tokio::process::Command;

use super::client::{Printed, Rust};
use super::functions::{fanout, processors};
use super::outputs::{list, right};
use super::photos::SOURCE;
use super::python;
use super::run::{Run, Stages};
use super::server::Server;
use crate::s3::{Latency, REGION};

/// As fanout cuts chunks, unless told otherwise.
pub const CHUNK_KEYS: usize = 500;

#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Processors, each with its share of the images.
    Processors {
        count: usize,
        concurrency: Concurrency,
        cores: Cores,
        /// The most images in one invocation.
        chunk_keys: usize,
    },
    /// fanout, and so many processors.
    Fanout {
        parallel: usize,
        concurrency: usize,
    },
    Rust {
        how: Rust,
        in_flight: usize,
    },
    Python {
        how: &'static str,
        workers: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Concurrency {
    /// No more images in flight than this.
    Fixed(usize),
    /// As the processor finds best, from this on.
    From(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    One,
    All,
}

/// What a program is run on.
#[derive(Clone, Debug)]
pub struct Load {
    pub folder: PathBuf,
    /// The first so many.
    pub images: usize,
    pub latency: Latency,
    pub mode: Images,
}

/// What a run took, as far as its server does not know.
pub struct Taken {
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_bytes: u64,
    pub stages: Stages,
}

impl Program {
    /// One run, with a fresh server and fresh processes.
    pub async fn run(self, load: &Load) -> anyhow::Result<Run> {
        let mut server = Server::start(&load.folder, load.images, load.latency).await?;
        let s3 = Client::new(&server.sdk().await);
        let images = list(&s3, SOURCE, "").await?;
        let (before, cpu_before) = (server.totals().await?, server.cpu_time()?);
        let taken = match self {
            Self::Processors {
                count,
                concurrency,
                cores,
                chunk_keys,
            } => {
                let chunk_keys = images.len().div_ceil(count).min(chunk_keys);
                processors(&server, load.mode, images.chunks(chunk_keys), count, concurrency, cores).await?
            }
            Self::Fanout { parallel, concurrency } => {
                fanout(&server, load.mode, &images, parallel, concurrency).await?
            }
            Self::Rust { how, in_flight } => {
                let mut command = Command::new(std::env::current_exe()?);
                let name = how.to_possible_value().context("each way has a name")?;
                command
                    .args(["bench", "client", name.get_name()])
                    .args(["--in-flight", &in_flight.to_string()]);
                peer(&server, command, images.len()).await?
            }
            Self::Python { how, workers } => {
                let mut command = python::program("pipeline.py");
                command.args([how, "--workers", &workers.to_string()]);
                peer(&server, command, images.len()).await?
            }
        };
        let server_cpu = server.cpu_time()?.saturating_sub(cpu_before);
        let after = server.totals().await?;
        let mut requests = after.requests;
        requests.get -= before.requests.get;
        requests.list -= before.requests.list;
        let right = right(&s3, &images, load.mode, self.writes_records()).await?;
        Ok(Run {
            images: images.len() as u64,
            right,
            seconds: taken.seconds,
            cpu_seconds: taken.cpu_seconds,
            server_cpu_seconds: server_cpu.as_secs_f64(),
            peak_bytes: taken.peak_bytes,
            requests,
            bytes_read: after.bytes_read,
            bytes_written: after.bytes_written,
            stages: taken.stages,
        })
    }

    fn writes_records(self) -> bool {
        matches!(self, Self::Processors { .. } | Self::Fanout { .. })
    }

    /// About what an image takes of CPU time, its server's included.
    pub fn cpu_time(self) -> Duration {
        match self {
            Self::Processors { .. } | Self::Fanout { .. } | Self::Rust { .. } => Duration::from_micros(400),
            Self::Python { .. } => Duration::from_millis(2),
        }
    }

    /// The images it has in flight, in all processes.
    pub fn in_flight(self) -> usize {
        match self {
            Self::Processors { count, concurrency, .. } => match concurrency {
                Concurrency::Fixed(each) | Concurrency::From(each) => count * each,
            },
            Self::Fanout { parallel, concurrency } => parallel * concurrency,
            Self::Rust { in_flight, .. } => in_flight,
            Self::Python { workers, .. } => workers,
        }
    }
}

async fn peer(server: &Server, mut command: Command, images: usize) -> anyhow::Result<Taken> {
    command
        .args(["--images", &images.to_string()])
        .envs(server.environment())
        // botocore's name for it.
        .env("AWS_DEFAULT_REGION", REGION)
        .kill_on_drop(true);
    let printed = python::printed(&mut command).await?;
    let printed: Printed =
        serde_json::from_str(printed.trim()).with_context(|| format!("a peer printed {printed:?}"))?;
    let done = printed.images;
    ensure!(done == images, "a peer did {done} of {images} images");
    Ok(Taken {
        seconds: printed.seconds,
        cpu_seconds: printed.cpu_seconds,
        peak_bytes: printed.peak_bytes,
        stages: printed.stages * (1000.0 / images as f64),
    })
}
