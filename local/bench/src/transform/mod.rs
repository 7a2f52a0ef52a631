//! One function that makes smaller pictures of photos of 12 megapixels, compared with one in Node.
//!
//! | module | what it does |
//! |---|---|
//! | [`ours`] | measures the processor |
//! | [`node_function`] | measures a function in Node, as people write it |

mod node_function;
mod ours;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use local::s3::Latency;
use shared::modes::Images;
use shared::protocol::stages::LatencyHistogram;

use crate::experiment::{Load, ONE_VCPU_MB, TWO_VCPUS_MB};
use crate::table::{megabytes, table};
use crate::{node, photos};
use ours::{Setup, rendition};

#[derive(Args, Debug)]
pub struct Options {
    /// Number of photos of 12 megapixels
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    images: u16,
    /// Leave out the function in Node
    #[arg(long)]
    no_node: bool,
}

/// About what S3 takes.
const REQUEST_LATENCY: Duration = Duration::from_millis(100);

const MEGAPIXELS: f64 = 12.0;

/// The memory of a small function. Here, nothing limits its core to the part of a vCPU that Lambda gives it.
const SMALL_MB: u32 = 512;

/// The longer side of the pictures in pixels.
const EDGE: u32 = 1_024;

/// What one function did with all images.
struct Measured {
    elapsed: Duration,
    cpu: Duration,
    /// Of the S3 server.
    server_cpu: Duration,
    /// The part of the time in which the CPU threads made pictures.
    threads_busy: Option<f64>,
    download: Option<LatencyHistogram>,
    upload: Option<LatencyHistogram>,
    bytes_read: u64,
    bytes_written: u64,
    /// In bytes.
    peak: u64,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let images = usize::from(options.images);
    let load = load(images)?;
    println!(
        "One function, {images} photos of 12 megapixels, 100 ms per request, S3 in another process. Pictures have \
         {EDGE} pixels. A function with less than two vCPUs has one core."
    );
    let mut rows = table([
        "function",
        "memory",
        "images/s",
        "megapixels/s",
        "CPU/image",
        "CPU threads busy",
        "cores busy",
        "S3's cores busy",
        "download p50, p95",
        "upload p50, p95",
        "read",
        "written",
        "peak memory",
    ]);
    for (setup, measured) in of_the_processor(&load).await? {
        rows.add_row(cells(setup.name, setup.memory_mb, images, &measured));
    }
    if options.no_node {
        println!("{rows}");
        return Ok(ExitCode::SUCCESS);
    }
    node::install().await?;
    let (init, measured) = node_function::measure(&load).await?;
    rows.add_row(cells("Node and sharp, JPEG", ONE_VCPU_MB, images, &measured));
    println!(
        "{rows}\nThe function in Node takes {} ms from the start of its process to its first request for an invocation.",
        init.as_millis()
    );
    Ok(ExitCode::SUCCESS)
}

async fn of_the_processor(load: &Load) -> anyhow::Result<Vec<(Setup, Measured)>> {
    let setup = |name, mode, memory_mb, format| Setup {
        name,
        mode,
        memory_mb,
        transform: rendition(EDGE, format),
        in_flight: None,
    };
    let jpeg = setup("transform, JPEG", Images::Transform, ONE_VCPU_MB, "jpeg");
    let one_thread = ours::measure(load, &jpeg).await?;
    // With these images in flight, uploads are about as fast as the pictures. So the latencies of S3 can be compared.
    let at_the_same_time = 2 * REQUEST_LATENCY.as_millis() * load.images as u128 / one_thread.elapsed.as_millis();
    let in_flight = u32::try_from(at_the_same_time)?.max(1);
    let mut all = vec![(jpeg, one_thread)];
    for setup in [
        Setup {
            in_flight: Some(in_flight),
            ..setup("upload, about as fast", Images::Upload, ONE_VCPU_MB, "jpeg")
        },
        setup("transform, JPEG", Images::Transform, SMALL_MB, "jpeg"),
        setup("transform, JPEG", Images::Transform, TWO_VCPUS_MB, "jpeg"),
        setup("transform, WebP", Images::Transform, ONE_VCPU_MB, "webp"),
        setup("upload", Images::Upload, ONE_VCPU_MB, "jpeg"),
    ] {
        let measured = ours::measure(load, &setup).await?;
        all.push((setup, measured));
    }
    Ok(all)
}

fn load(images: usize) -> anyhow::Result<Load> {
    Ok(Load {
        folder: photos::of_a_camera(4_000, 3_000, images)?,
        images,
        latency: Latency {
            get: REQUEST_LATENCY,
            put: REQUEST_LATENCY,
            list: Duration::ZERO,
            ..Latency::default()
        },
        mode: Images::Transform,
        transform: None,
        sends_checksums: true,
        over_tls: false,
    })
}

fn cells(name: &str, memory_mb: u32, images: usize, measured: &Measured) -> [String; 13] {
    let seconds = measured.elapsed.as_secs_f64();
    let per_second = images as f64 / seconds;
    let latency = |times: &Option<LatencyHistogram>| {
        let percentiles = times.as_ref().map(LatencyHistogram::percentiles);
        percentiles.map_or_else(String::new, |times| {
            format!("{:.0}, {:.0} ms", times.p50_ms, times.p95_ms)
        })
    };
    [
        name.to_owned(),
        format!("{memory_mb} MB"),
        format!("{per_second:.1}"),
        format!("{:.0}", per_second * MEGAPIXELS),
        format!("{:.1} ms", measured.cpu.as_secs_f64() * 1000.0 / images as f64),
        measured
            .threads_busy
            .map(|busy| format!("{:.1} %", busy * 100.0))
            .unwrap_or_default(),
        format!("{:.2}", measured.cpu.as_secs_f64() / seconds),
        format!("{:.2}", measured.server_cpu.as_secs_f64() / seconds),
        latency(&measured.download),
        latency(&measured.upload),
        megabytes(measured.bytes_read),
        megabytes(measured.bytes_written),
        megabytes(measured.peak),
    ]
}
