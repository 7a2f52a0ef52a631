//! Our functions as processes, run as Lambda runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::job::{Report, State};
use shared::protocol::usage::Usage;

use super::outputs::Entry;
use super::program::{Concurrency, Cores, Load, ONE_VCPU_MB, Processors as Setting, Taken};
use super::run::Stages;
use super::server::Server;
use crate::photos::{DESTINATION, SOURCE};
use crate::processors::Processors;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::workspace::{Profile, binary};

/// The time of each invocation. No run needs that long.
const LIFETIME: Duration = Duration::from_mins(15);

async fn start_processors(server: &Server, count: usize, memory_mb: u32) -> anyhow::Result<Processors> {
    let mut environment = server.environment()?;
    environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string()));
    Processors::start(count, &environment).await
}

/// Runs processors without fanout. All images are divided between them at the start.
pub async fn processors(server: &Server, load: &Load, images: &[Entry], setting: Setting) -> anyhow::Result<Taken> {
    let processors = start_processors(server, setting.count, setting.memory_mb).await?;
    if setting.cores == Cores::One {
        processors.keep_to_one_core().await?;
    }
    let chunk_keys = images.len().div_ceil(setting.count).min(setting.chunk_keys);
    let requests: Vec<Value> = images
        .chunks(chunk_keys)
        .enumerate()
        .map(|(chunk, images)| chunk_request(chunk, images, load, setting.concurrency))
        .collect();
    let (started, cpu_before) = (Instant::now(), processors.cpu_time().await?);
    let replies = requests.into_iter().enumerate().map(|(chunk, request)| {
        let processors = &processors;
        async move { processors.run(&format!("chunk-{chunk}"), request).await }
    });
    let replies = futures::future::join_all(replies).await;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = processors.cpu_time().await?.saturating_sub(cpu_before).as_secs_f64();
    let mut usage = Usage::default();
    for reply in replies {
        let Reply::Ok(response) = reply else {
            bail!("a processor failed: {reply:?}");
        };
        let response: ChunkResponse = serde_json::from_value(response)?;
        check(&response)?;
        usage.merge(&response.usage);
    }
    Ok(Taken {
        seconds,
        cpu_seconds,
        peak_bytes: processors.peak_memory().await?.into_iter().sum(),
        stages: means(&usage),
    })
}

fn chunk_request(chunk: usize, images: &[Entry], load: &Load, concurrency: Concurrency) -> Value {
    let objects: Vec<Value> = images
        .iter()
        .map(|Entry { key, size, etag }| json!({"key": key, "size": size, "etag": etag}))
        .collect();
    let mut request = json!({
        "job_id": "bench", "chunk": chunk, "attempt": "1-1", "source_bucket": SOURCE, "source_prefix": "",
        "destination": format!("s3://{DESTINATION}/"), "images": load.mode, "records": "ndjson", "objects": objects,
        "transform": load.transform,
    });
    match concurrency {
        Concurrency::From(start) => request["concurrency"] = start.into(),
        Concurrency::Fixed(number) => {
            request["concurrency"] = number.into();
            // With a limit on its request rate, a processor does not change its images in flight. This limit is so
            // high that it has no other effect.
            request["max_requests_per_second"] = 1e6.into();
        }
    }
    request
}

/// Checks that the processor finished all images. Otherwise it would seem too fast.
fn check(response: &ChunkResponse) -> anyhow::Result<()> {
    ensure!(response.failed.is_empty(), "images failed: {:?}", response.failed);
    ensure!(
        response.unprocessed.is_empty(),
        "{} images are unprocessed",
        response.unprocessed.len()
    );
    Ok(())
}

fn means(usage: &Usage) -> Stages {
    let images = usage.stages.images().max(1) as f64;
    Stages {
        download: usage.stages.download.total_ms() / images,
        exif: usage.stages.exif.total_ms() / images,
        transform: usage.stages.transform.total_ms() / images,
        upload: usage.stages.upload.total_ms() / images,
    }
}

pub async fn fanout(
    server: &Server,
    load: &Load,
    images: &[Entry],
    parallel: usize,
    concurrency: usize,
) -> anyhow::Result<Taken> {
    let processors = Arc::new(start_processors(server, parallel, ONE_VCPU_MB).await?);
    let usage = Arc::new(Mutex::new(Usage::default()));
    let lambda = {
        let (processors, usage) = (processors.clone(), usage.clone());
        let numbers = Arc::new(AtomicUsize::new(0));
        Endpoint::start(move |_, payload| {
            let (processors, usage) = (processors.clone(), usage.clone());
            let number = numbers.fetch_add(1, Relaxed);
            async move {
                let reply = processors.run(&format!("chunk-{number}"), payload).await;
                if let Reply::Ok(response) = &reply
                    && let Ok(response) = serde_json::from_value::<ChunkResponse>(response.clone())
                {
                    usage.lock().merge(&response.usage);
                }
                reply
            }
        })
        .await?
    };
    let mut environment = server.environment()?;
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
    let fanout = Function::start(&binary(Profile::Release, "fanout"), &environment, tempfile::tempfile()?).await?;
    fanout.init_time().await?;
    let request = json!({
        "source": format!("s3://{SOURCE}/"), "destination": format!("s3://{DESTINATION}/"), "job_id": "bench",
        "images": load.mode, "transform": load.transform, "parallel": parallel, "concurrency": concurrency,
        "chunk_keys": images.len().div_ceil(parallel),
    });
    let cpu = async || anyhow::Ok(processors.cpu_time().await? + fanout.cpu_time()?);
    let (started, cpu_before) = (Instant::now(), cpu().await?);
    let response = fanout.invoke("bench", request, LIFETIME).await?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = cpu().await?.saturating_sub(cpu_before).as_secs_f64();
    let report: Report = serde_json::from_value(response.map_err(|error| anyhow!("fanout failed: {error}"))?)?;
    let is_complete = report.state == State::Completed && report.ok == images.len() as u64;
    ensure!(is_complete, "the job is not done: {report:?}");
    Ok(Taken {
        seconds,
        cpu_seconds,
        peak_bytes: processors.peak_memory().await?.into_iter().sum::<u64>() + fanout.peak_memory()?,
        stages: means(&usage.lock()),
    })
}
