use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::{FailedKey, FailureClass};

use crate::processors::Processors;
use crate::table::{megabytes, table, yes_or};
use local::dataset;
use local::lambda::Reply;
use local::s3::{Effect, Fault, Headers, Object, Server};

#[derive(Args, Debug)]
pub struct Options {
    /// Number of images of 8 MB; there are 25 times as many of 18 KB
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..))]
    images: u64,
    /// Memory of the function in MB
    #[arg(long, default_value_t = 512)]
    memory: u32,
    /// Number of images in flight at the start
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
}

const MB: u64 = 1_000_000;

/// The images of one row: how many of each size, and how they are processed.
struct Load {
    name: &'static str,
    images: &'static str,
    chunk_keys: usize,
    sizes: Vec<(u64, u64)>,
    /// How each image begins.
    front: Vec<u8>,
    /// The bodies of all images go on forever, and have no length. None of the images may become `ok`.
    is_endless: bool,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "One processor of {} MB, with {} images in flight at the start. Each invocation has 500 images; the row with \
         one large image has a single invocation. The S3 server makes the images while they are read.",
        options.memory, options.concurrency
    );
    let mut rows = table([
        "images",
        "size",
        "mode",
        "time",
        "CPU/image",
        "in flight at the end",
        "peak memory",
        "bytes correct",
    ]);
    let mut all_right = true;
    for load in loads(options.images)? {
        let measured = measure(&options, &load).await?;
        let wrong = measured.wrong;
        all_right &= wrong == 0;
        let count: u64 = load.sizes.iter().map(|(count, _)| count).sum();
        rows.add_row([
            HumanCount(count).to_string(),
            load.name.to_owned(),
            load.images.to_owned(),
            format!("{:.1} s", measured.elapsed.as_secs_f64()),
            format!("{:.2} ms", measured.cpu.as_secs_f64() * 1000.0 / count as f64),
            measured.concurrency.to_string(),
            megabytes(measured.peak),
            yes_or((wrong > 0).then(|| format!("{wrong} images are wrong"))),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::from(u8::from(!all_right)))
}

/// `images` images of 8 MB, and 25 times as many of the guide's size.
fn loads(images: u64) -> anyhow::Result<Vec<Load>> {
    const GUIDE_BYTES: u64 = 18_644;
    const LARGE_BYTES: u64 = 4_000 * MB;
    let many = images * 25;
    let photo = dataset::photo(0)?;
    let of_the_guide = |mode| Load {
        name: "18 KB each",
        images: mode,
        chunk_keys: 500,
        sizes: vec![(many, GUIDE_BYTES)],
        front: photo.clone(),
        is_endless: false,
    };
    Ok(vec![
        Load {
            name: "8 MB each",
            images: "upload",
            chunk_keys: 500,
            sizes: vec![(images, 8 * MB)],
            front: photo.clone(),
            is_endless: false,
        },
        Load {
            name: "8 MB each, but endless",
            images: "upload",
            chunk_keys: 500,
            sizes: vec![(images / 4, 8 * MB)],
            front: photo.clone(),
            is_endless: true,
        },
        of_the_guide("none"),
        of_the_guide("copy"),
        of_the_guide("upload"),
        Load {
            name: "18 KB each, one has 4 GB",
            images: "upload",
            chunk_keys: usize::MAX,
            sizes: vec![(many / 2, GUIDE_BYTES), (1, LARGE_BYTES), (many / 2, GUIDE_BYTES)],
            front: photo.clone(),
            is_endless: false,
        },
        Load {
            name: "one TIFF of 4 GB",
            images: "strip",
            chunk_keys: 1,
            sizes: vec![(1, LARGE_BYTES)],
            front: front_of_tiff(LARGE_BYTES),
            is_endless: false,
        },
    ])
}

/// The start of a TIFF of this size. All that follows is its picture, so nothing is stripped.
fn front_of_tiff(size: u64) -> Vec<u8> {
    const LONG: u16 = 4;
    const ROWS: usize = 4;
    let long = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let start = 8 + 2 + 12 * ROWS as u64 + 4;
    let rows: [(u16, u64); ROWS] = [(256, 1_000), (257, 1_000), (273, start), (279, size - start)];
    let rows = rows.map(|(tag, value)| {
        let [tag, kind] = [tag, LONG].map(u16::to_le_bytes);
        [&tag[..], &kind, &long(1), &long(value)].concat()
    });
    [&b"II*\0\x08\0\0\0\x04\0"[..], &rows.concat(), &[0; 4]].concat()
}

struct Measured {
    elapsed: Duration,
    cpu: Duration,
    /// The number of images in flight at the end.
    concurrency: usize,
    /// The peak memory in bytes.
    peak: u64,
    /// The number of images whose copy is wrong.
    wrong: usize,
}

/// Starts a server with the images of a load. Gives the objects as a chunk names them.
async fn serve(load: &Load) -> anyhow::Result<(Server, Vec<Value>)> {
    let server = Server::start(0).await?;
    server.store.create_bucket("photos-out");
    let mut objects = Vec::new();
    for &(count, size) in &load.sizes {
        let size = size.max(load.front.len() as u64);
        let object = Object::long(load.front.clone().into(), size, Headers::default());
        for _ in 0..count {
            let key = format!("{:06}.jpg", objects.len());
            objects.push(json!({"key": key, "size": object.body.len(), "etag": object.etag}));
            server.store.load("photos", &key, object.clone());
        }
    }
    if load.is_endless {
        server.faults.add(Fault {
            operation: "GetObject",
            key_contains: String::new(),
            effect: Effect::Endless,
            after: 0,
            times: usize::MAX,
        });
    }
    Ok((server, objects))
}

/// Runs a load in a new process.
async fn measure(options: &Options, load: &Load) -> anyhow::Result<Measured> {
    let (server, objects) = serve(load).await?;
    let mut environment = server.environment();
    environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", options.memory.to_string()));
    let processors = Processors::start(1, &environment).await?;
    let started = Instant::now();
    let (mut concurrency, mut cpu) = (0, Duration::ZERO);
    for (chunk, objects) in objects.chunks(load.chunk_keys).enumerate() {
        let request = json!({
            "job_id": "bench", "chunk": chunk, "attempt": "1-1", "source_bucket": "photos", "source_prefix": "",
            "destination": "s3://photos-out/", "images": load.images, "records": "ndjson",
            "concurrency": options.concurrency, "objects": objects,
        });
        let response = match processors.run("bench", request).await {
            Reply::Ok(response) => serde_json::from_value::<ChunkResponse>(response)?,
            other => anyhow::bail!("the processor failed: {other:?}"),
        };
        let expected = if load.is_endless { objects.len() } else { 0 };
        let is_right = |failed: &FailedKey| load.is_endless && failed.class == FailureClass::Corrupt;
        ensure!(
            response.failed.len() == expected && response.failed.iter().all(is_right),
            "images failed: {:?}",
            response.failed
        );
        concurrency = response.concurrency;
        cpu += Duration::from_millis(response.usage.cpu_ms);
    }
    let elapsed = started.elapsed();
    let right = |object: &&Value| {
        let key = object["key"].as_str().unwrap_or_default();
        let source = server.store.get("photos", key);
        let copy = server.store.get("photos-out", &format!("images/{key}"));
        match (source, copy) {
            (Some(source), Some(copy)) => source.body == copy.body,
            (_, copy) => (load.images == "none" || load.is_endless) && copy.is_none(),
        }
    };
    let wrong = objects.iter().filter(|object| !right(object)).count();
    Ok(Measured {
        elapsed,
        cpu,
        concurrency,
        peak: processors.peak_memory().await?[0],
        wrong,
    })
}
