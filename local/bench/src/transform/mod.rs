use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use local::lambda::Reply;
use local::s3::Latency;
use serde_json::{Value, json};
use shared::modes::Images;
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::stages::LatencyHistogram;

use crate::experiment::{Load, Server, of_12_megapixels};
use crate::processors::Processors;
use crate::table::{megabytes, table};

#[derive(Args, Debug)]
pub struct Options {
    /// Number of photos of 12 megapixels
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    images: u16,
    /// The longer side of the results in pixels
    #[arg(long, default_value_t = 1024)]
    max_edge: u32,
}

/// About what S3 takes.
const REQUEST_LATENCY: Duration = Duration::from_millis(100);

const MEGAPIXELS: f64 = 12.0;

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let images = usize::from(options.images);
    let load = load(images)?;
    println!(
        "One processor, {images} photos of 12 megapixels, 100 ms per request, S3 in another process. Results have {} \
         pixels.",
        options.max_edge
    );
    let mut rows = table([
        "mode",
        "memory",
        "format",
        "images/s",
        "megapixels/s",
        "CPU/image",
        "cores busy",
        "download p50",
        "upload p50",
        "read",
        "written",
        "peak memory",
    ]);
    for (mode, memory, format) in [
        ("upload", 1_769, ""),
        ("transform", 512, "jpeg"),
        ("transform", 1_769, "jpeg"),
        ("transform", 3_538, "jpeg"),
        ("transform", 1_769, "webp"),
    ] {
        let measured = measure(&load, mode, memory, &renditions(mode, format, options.max_edge)).await?;
        let seconds = measured.elapsed.as_secs_f64();
        let usage = &measured.response.usage;
        let per_second = images as f64 / seconds;
        let median = |times: &LatencyHistogram| format!("{:.0} ms", times.percentiles().p50_ms);
        rows.add_row([
            mode.to_owned(),
            format!("{memory} MB"),
            format.to_owned(),
            format!("{per_second:.1}"),
            format!("{:.0}", per_second * MEGAPIXELS),
            format!("{:.1} ms", usage.cpu_ms as f64 / images as f64),
            format!("{:.2}", usage.cpu_ms as f64 / 1000.0 / seconds),
            median(&usage.stages.download),
            median(&usage.stages.upload),
            megabytes(usage.bytes_read),
            megabytes(usage.bytes_written),
            megabytes(measured.peak),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn load(images: usize) -> anyhow::Result<Load> {
    Ok(Load {
        folder: of_12_megapixels(images)?,
        images,
        latency: Latency {
            get: REQUEST_LATENCY,
            put: REQUEST_LATENCY,
            list: Duration::ZERO,
        },
        mode: Images::Transform,
        sends_checksums: true,
    })
}

fn renditions(mode: &str, format: &str, max_edge: u32) -> Value {
    match mode {
        "transform" => json!({"renditions": [{"max_edge": max_edge, "format": format}]}),
        _ => Value::Null,
    }
}

struct Measured {
    elapsed: Duration,
    response: ChunkResponse,
    /// In bytes.
    peak: u64,
}

/// Processes all images in one invocation of a new process.
async fn measure(load: &Load, mode: &str, memory_mb: u32, transform: &Value) -> anyhow::Result<Measured> {
    let server = Server::start(load).await?;
    let mut environment = server.environment();
    environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string()));
    let processors = Processors::start(1, &environment).await?;
    let objects: Vec<Value> = (0..load.images)
        .map(|index| {
            let name = local::dataset::file_name(index);
            let size = std::fs::metadata(load.folder.join(&name))?.len();
            Ok(json!({"key": name, "size": size}))
        })
        .collect::<anyhow::Result<_>>()?;
    let request = json!({
        "job_id": "bench", "chunk": 1, "attempt": "1-1", "source_bucket": "photos", "source_prefix": "",
        "destination": "s3://photos-out/", "images": mode, "records": "ndjson", "concurrency": 64,
        "transform": transform, "objects": objects,
    });
    let started = Instant::now();
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
    Ok(Measured {
        elapsed,
        response,
        peak: processors.peak_memory().await?[0],
    })
}
