//! Speed and cost for each image mode and image size.

use std::time::Duration;

use shared::bottleneck::NETWORK_BYTES_PER_SECOND;
use shared::modes::Images;
use shared::prices::{Architecture, PRICES};

use super::case::Case;
use super::functions::MEMORY_MB;
use super::photos;
use super::program::{CHUNK_KEYS, Concurrency, Cores, Load, Processors, Program};
use super::run::Row;
use local::dataset::COUNT;
use local::s3::Latency;

/// "Applications can achieve consistent small object latencies of roughly 100 to 200 milliseconds" (Amazon S3 User
/// Guide, "Best practices design patterns").
const REQUEST_LATENCY: Duration = Duration::from_millis(100);

pub fn cases(quick: bool) -> anyhow::Result<Vec<Case>> {
    let (medium, large) = if quick { (300, 60) } else { (1_500, 300) };
    let sizes = [
        ("18 KB", photos::of_the_guide()?, if quick { 2_000 } else { COUNT }),
        ("300 KB", photos::of_size(300_000, medium)?, medium),
        ("3 MB", photos::of_size(3_000_000, large)?, large),
    ];
    let mut cases = Vec::new();
    for (size, folder, images) in sizes {
        for (name, mode, sends_checksums) in [
            ("none", Images::None, true),
            ("copy", Images::Copy, true),
            ("upload", Images::Upload, true),
            // The MD5 of the bytes is compared with the ETag instead.
            ("upload, no checksums", Images::Upload, false),
        ] {
            cases.push(Case {
                name: name.to_owned(),
                setting: size.to_owned(),
                program: Program::Processors(Processors {
                    count: 1,
                    concurrency: Concurrency::From(64),
                    cores: Cores::All,
                    chunk_keys: CHUNK_KEYS,
                }),
                load: Load {
                    folder: folder.clone(),
                    images,
                    latency: Latency {
                        get: REQUEST_LATENCY,
                        put: REQUEST_LATENCY,
                        list: Duration::ZERO,
                    },
                    mode,
                    sends_checksums,
                },
                runs: if quick { 1 } else { 3 },
            });
        }
    }
    Ok(cases)
}

/// The cost of a million images, in US dollars.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub lambda: f64,
    pub s3: f64,
}

/// The cost at the prices of [`PRICES`], on arm64. The time of an image is the measured time, or the time that its
/// bytes take at Lambda's 625 Mbps, if that is longer.
pub fn cost_of_a_million(row: &Row) -> Cost {
    const MILLION: f64 = 1e6;
    let seconds = row.median(|run| {
        let bytes = (run.bytes_read + run.bytes_written) as f64;
        run.seconds.max(bytes / NETWORK_BYTES_PER_SECOND) / run.images as f64
    });
    let gb_seconds = seconds * f64::from(MEMORY_MB) / 1024.0;
    let s3 = row.median(|run| {
        let requests = run.requests;
        let writes = (requests.put + requests.copy) as f64 * PRICES.s3_put_copy_list;
        (writes + (requests.get + requests.head) as f64 * PRICES.s3_get_head) / run.images as f64
    });
    let invocation = PRICES.lambda_invocation / CHUNK_KEYS as f64;
    Cost {
        lambda: MILLION * (gb_seconds * PRICES.gb_second(Architecture::Arm64) + invocation),
        s3: MILLION * s3,
    }
}
