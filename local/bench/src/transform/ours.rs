use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use shared::bottleneck::cpu_threads;
use shared::modes::Images;
use shared::protocol::chunk::ChunkResponse;

use super::Measured;
use crate::experiment::{Load, Server, TWO_VCPUS_MB};
use crate::processors::Processors;
use local::lambda::Reply;

/// How the processor is invoked.
pub struct Setup {
    pub name: &'static str,
    pub mode: Images,
    pub memory_mb: u32,
    /// For the mode `transform`.
    pub transform: Value,
    /// A fixed number of images in flight. Otherwise, the processor adapts it.
    pub in_flight: Option<u32>,
}

pub fn rendition(max_edge: u32, format: &str) -> Value {
    json!({"renditions": [{"max_edge": max_edge, "format": format}]})
}

/// Processes all images in one invocation of a new process.
pub async fn measure(load: &Load, setup: &Setup) -> anyhow::Result<Measured> {
    let server = Server::start(load).await?;
    let mut environment = server.environment()?;
    environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", setup.memory_mb.to_string()));
    let processors = Processors::start(1, &environment).await?;
    if setup.memory_mb < TWO_VCPUS_MB {
        processors.keep_to_one_core().await?;
    }
    let request = request(load, setup)?;
    let (started, server_cpu) = (Instant::now(), server.cpu_time()?);
    let response = match processors.run("bench", request).await {
        Reply::Ok(response) => serde_json::from_value::<ChunkResponse>(response)?,
        other => anyhow::bail!("the processor failed: {other:?}"),
    };
    let elapsed = started.elapsed();
    ensure!(
        response.ok == load.images as u64,
        "images failed: {:?}",
        response.failed
    );
    let usage = response.usage;
    let threads = cpu_threads(setup.memory_mb) as f64;
    // Before the first picture and after the last one, the threads have nothing to do.
    let edges = usage.stages.download.percentiles().p50_ms + usage.stages.upload.percentiles().p50_ms;
    let with_pictures = elapsed.as_secs_f64() * 1000.0 - edges;
    let busy = usage.stages.transform.total_ms() / (threads * with_pictures);
    Ok(Measured {
        elapsed,
        cpu: Duration::from_millis(usage.cpu_ms),
        server_cpu: server.cpu_time()?.saturating_sub(server_cpu),
        threads_busy: (setup.mode == Images::Transform).then_some(busy),
        bytes_read: usage.bytes_read,
        bytes_written: usage.bytes_written,
        download: Some(usage.stages.download),
        upload: Some(usage.stages.upload),
        peak: processors.peak_memory().await?[0],
    })
}

fn request(load: &Load, setup: &Setup) -> anyhow::Result<Value> {
    let objects: Vec<Value> = (0..load.images)
        .map(|index| {
            let name = local::dataset::file_name(index);
            let size = std::fs::metadata(load.folder.join(&name))?.len();
            Ok(json!({"key": name, "size": size}))
        })
        .collect::<anyhow::Result<_>>()?;
    let transform = match setup.mode {
        Images::Transform => &setup.transform,
        _ => &Value::Null,
    };
    // With a limit on its request rate, a processor does not change its images in flight. This limit is so high that it
    // has no other effect.
    let concurrency = setup.in_flight.unwrap_or(64);
    let max_requests_per_second = setup.in_flight.map(|_| 1e6);
    Ok(json!({
        "job_id": "bench", "chunk": 1, "attempt": "1-1", "source_bucket": "photos", "source_prefix": "",
        "destination": "s3://photos-out/", "images": setup.mode, "records": "ndjson", "concurrency": concurrency,
        "max_requests_per_second": max_requests_per_second, "transform": transform, "objects": objects,
    }))
}
