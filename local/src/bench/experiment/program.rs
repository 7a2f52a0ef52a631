//! The programs that are measured, and how each is run.

use std::collections::HashMap;
use std::slice::Chunks;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_sdk_s3::Client;
use clap::ValueEnum as _;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shared::chunk::{ChunkResponse, Usage};
use shared::job::{Report, State};
use shared::modes::Images;
use tokio::process::Command;

use super::client::{self, Printed, Rust};
use super::photos::{DESTINATION, SOURCE};
use super::python;
use super::run::{Run, Stages};
use super::server::Server;
use crate::bench::cloud::binary;
use crate::bench::processors::Processors;
use crate::lambda::{Endpoint, Reply};
use crate::runtime::Function;
use crate::s3::Latency;

/// One vCPU.
pub const MEMORY_MB: u32 = 1769;

/// As fanout cuts chunks, unless told otherwise.
pub const CHUNK_KEYS: usize = 500;

/// Nothing that is measured takes as long.
const LIFETIME: Duration = Duration::from_mins(15);

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
    pub folder: std::path::PathBuf,
    /// The first so many.
    pub images: usize,
    pub latency: Latency,
    pub mode: Images,
}

/// An object of the source.
#[derive(Debug)]
struct Entry {
    key: String,
    size: i64,
    etag: String,
}

/// What a run took, as far as its server does not know.
struct Taken {
    seconds: f64,
    cpu_seconds: f64,
    peak_bytes: u64,
    stages: Stages,
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

async fn list(s3: &Client, bucket: &str, prefix: &str) -> anyhow::Result<Vec<Entry>> {
    let mut pages = s3
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .into_paginator()
        .send();
    let mut entries = Vec::new();
    while let Some(page) = pages.next().await {
        entries.extend(page?.contents.unwrap_or_default().into_iter().map(|object| Entry {
            key: object.key.unwrap_or_default(),
            size: object.size.unwrap_or_default(),
            etag: object.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
        }));
    }
    Ok(entries)
}

/// How many images have what they should have: a copy with the same bytes, and one record.
async fn right(s3: &Client, images: &[Entry], mode: Images, with_records: bool) -> anyhow::Result<u64> {
    let copies: HashMap<String, String> = list(s3, DESTINATION, "images/")
        .await?
        .into_iter()
        .map(|copy| (copy.key, copy.etag))
        .collect();
    let records = if with_records {
        records(s3).await?
    } else {
        HashMap::new()
    };
    let is_right = |image: &&Entry| {
        let copy = copies.get(&format!("images/{}", image.key));
        let is_copied = match mode {
            Images::None => copy.is_none(),
            Images::Copy | Images::Upload => copy == Some(&image.etag),
        };
        is_copied && (!with_records || records.get(&image.key) == Some(&1))
    };
    Ok(images.iter().filter(is_right).count() as u64)
}

/// How many records each key has.
async fn records(s3: &Client) -> anyhow::Result<HashMap<String, usize>> {
    let files = list(s3, DESTINATION, "records/").await?;
    let bodies: Vec<_> = stream::iter(files)
        .map(|file| async {
            let object = s3.get_object().bucket(DESTINATION).key(file.key).send().await?;
            anyhow::Ok(object.body.collect().await?.into_bytes())
        })
        .buffer_unordered(64)
        .try_collect()
        .await?;
    let mut records = HashMap::new();
    for body in bodies {
        for line in std::str::from_utf8(&body)?.lines() {
            let record: Value = serde_json::from_str(line)?;
            let key = record["key"].as_str().context("a record has no key")?;
            *records.entry(key.to_owned()).or_default() += 1;
        }
    }
    Ok(records)
}

async fn start_processors(server: &Server, count: usize) -> anyhow::Result<Processors> {
    let mut environment = server.environment();
    environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB.to_string()));
    Processors::start(count, &environment).await
}

async fn processors(
    server: &Server,
    mode: Images,
    chunks: Chunks<'_, Entry>,
    count: usize,
    concurrency: Concurrency,
    cores: Cores,
) -> anyhow::Result<Taken> {
    let processors = start_processors(server, count).await?;
    if cores == Cores::One {
        processors.keep_to_one_core().await?;
    }
    let requests = chunks.enumerate().map(|(chunk, images)| {
        let objects: Vec<Value> = images
            .iter()
            .map(|Entry { key, size, etag }| json!({"key": key, "size": size, "etag": etag}))
            .collect();
        let mut request = json!({
            "job_id": "bench", "chunk": chunk, "attempt": "1-1", "source_bucket": SOURCE, "source_prefix": "",
            "destination": format!("s3://{DESTINATION}/"), "images": mode, "records": "ndjson", "objects": objects,
        });
        match concurrency {
            Concurrency::From(start) => request["concurrency"] = start.into(),
            Concurrency::Fixed(number) => {
                request["concurrency"] = number.into();
                // With a limit on its requests, here one that it cannot reach, a processor keeps to it.
                request["max_requests_per_second"] = 1e6.into();
            }
        }
        request
    });
    let requests: Vec<Value> = requests.collect();
    let (started, cpu_before) = (Instant::now(), processors.cpu_time().await?);
    let answers = requests.into_iter().enumerate().map(|(chunk, request)| {
        let processors = &processors;
        async move { processors.run(&format!("chunk-{chunk}"), request).await }
    });
    let answers = futures::future::join_all(answers).await;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = processors.cpu_time().await?.saturating_sub(cpu_before).as_secs_f64();
    let mut usage = Usage::default();
    for answer in answers {
        let Reply::Ok(answer) = answer else {
            bail!("a processor failed: {answer:?}");
        };
        let answer: ChunkResponse = serde_json::from_value(answer)?;
        check(&answer)?;
        usage.merge(&answer.usage);
    }
    Ok(Taken {
        seconds,
        cpu_seconds,
        peak_bytes: processors.peak_memory().await?.into_iter().sum(),
        stages: means(&usage),
    })
}

/// What is not done must not count as fast.
fn check(answer: &ChunkResponse) -> anyhow::Result<()> {
    ensure!(answer.failed.is_empty(), "images failed: {:?}", answer.failed);
    ensure!(answer.unprocessed.is_empty(), "images were given back");
    Ok(())
}

fn means(usage: &Usage) -> Stages {
    let images = usage.stages.images().max(1) as f64;
    Stages {
        download: usage.stages.download.total_ms() / images,
        exif: usage.stages.exif.total_ms() / images,
        upload: usage.stages.upload.total_ms() / images,
    }
}

async fn fanout(
    server: &Server,
    mode: Images,
    images: &[Entry],
    parallel: usize,
    concurrency: usize,
) -> anyhow::Result<Taken> {
    let processors = Arc::new(start_processors(server, parallel).await?);
    let usage = Arc::new(Mutex::new(Usage::default()));
    let lambda = {
        let (processors, usage) = (processors.clone(), usage.clone());
        let numbers = Arc::new(AtomicUsize::new(0));
        Endpoint::start(move |_, payload| {
            let (processors, usage) = (processors.clone(), usage.clone());
            let number = numbers.fetch_add(1, Relaxed);
            async move {
                let reply = processors.run(&format!("chunk-{number}"), payload).await;
                if let Reply::Ok(answer) = &reply
                    && let Ok(answer) = serde_json::from_value::<ChunkResponse>(answer.clone())
                {
                    usage
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .merge(&answer.usage);
                }
                reply
            }
        })
        .await?
    };
    let mut environment = server.environment();
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
    let fanout = Function::start(&binary("fanout"), &environment, tempfile::tempfile()?).await?;
    fanout.init_time().await?;
    let request = json!({
        "source": format!("s3://{SOURCE}/"), "destination": format!("s3://{DESTINATION}/"), "job_id": "bench",
        "images": mode, "parallel": parallel, "concurrency": concurrency,
        "chunk_keys": images.len().div_ceil(parallel),
    });
    let cpu = async || anyhow::Ok(processors.cpu_time().await? + fanout.cpu_time()?);
    let (started, cpu_before) = (Instant::now(), cpu().await?);
    let answer = fanout.invoke("bench", request, LIFETIME).await?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = cpu().await?.saturating_sub(cpu_before).as_secs_f64();
    let report: Report = serde_json::from_value(answer.map_err(|error| anyhow!("fanout failed: {error}"))?)?;
    let is_done = report.state == State::Completed && report.ok == images.len() as u64;
    ensure!(is_done, "the job is not done: {report:?}");
    Ok(Taken {
        seconds,
        cpu_seconds,
        peak_bytes: processors.peak_memory().await?.into_iter().sum::<u64>() + fanout.peak_memory()?,
        stages: means(&usage.lock().unwrap_or_else(PoisonError::into_inner)),
    })
}

async fn peer(server: &Server, mut command: Command, images: usize) -> anyhow::Result<Taken> {
    command
        .args(["--images", &images.to_string()])
        .envs(server.environment())
        // botocore's name for it.
        .env("AWS_DEFAULT_REGION", crate::s3::REGION)
        .kill_on_drop(true);
    let printed = python::printed(&mut command).await?;
    let Printed {
        images: done,
        seconds,
        cpu_seconds,
        peak_bytes,
        stages: client::Stages { download, exif, upload },
    } = serde_json::from_str(printed.trim()).with_context(|| format!("a peer printed {printed:?}"))?;
    ensure!(done == images, "a peer did {done} of {images} images");
    let mean = |seconds: f64| seconds * 1000.0 / images as f64;
    Ok(Taken {
        seconds,
        cpu_seconds,
        peak_bytes,
        stages: Stages {
            download: mean(download),
            exif: mean(exif),
            upload: mean(upload),
        },
    })
}
