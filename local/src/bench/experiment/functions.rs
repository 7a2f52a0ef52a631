//! Our functions as processes, as Lambda would run them.

use std::slice::Chunks;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use serde_json::{Value, json};
use shared::chunk::{ChunkResponse, Usage};
use shared::job::{Report, State};
use shared::modes::Images;

use super::outputs::Entry;
use super::photos::{DESTINATION, SOURCE};
use super::program::{Concurrency, Cores, Taken};
use super::run::Stages;
use super::server::Server;
use crate::bench::cloud::binary;
use crate::bench::processors::Processors;
use crate::lambda::{Endpoint, Reply};
use crate::runtime::Function;

/// One vCPU.
pub const MEMORY_MB: u32 = 1769;

/// Nothing that is measured takes as long.
const LIFETIME: Duration = Duration::from_mins(15);

async fn start_processors(server: &Server, count: usize) -> anyhow::Result<Processors> {
    let mut environment = server.environment();
    environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB.to_string()));
    Processors::start(count, &environment).await
}

pub async fn processors(
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

pub async fn fanout(
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
