//! Speed and cost for each image mode and image size.

use std::path::PathBuf;
use std::time::Duration;

use shared::bottleneck::{NETWORK_BYTES_PER_SECOND, cpu_threads, vcpus};
use shared::modes::Images;
use shared::prices::{Architecture, PRICES};
use shared::transform::{Format, Metadata, Rendition, Transform};

use super::case::Case;
use super::program::{CHUNK_KEYS, Concurrency, Cores, Load, ONE_VCPU_MB, Processors, Program, TWO_VCPUS_MB};
use super::run::Row;
use crate::photos;
use local::dataset::COUNT;
use local::s3::Latency;

/// "Applications can achieve consistent small object latencies of roughly 100 to 200 milliseconds" (Amazon S3 User
/// Guide, "Best practices design patterns").
const REQUEST_LATENCY: Duration = Duration::from_millis(100);

/// The memory of a small function. It has less than a third of a vCPU.
const SMALL_MB: u32 = 512;

/// Images of one size.
struct Size {
    name: &'static str,
    folder: PathBuf,
    /// For modes that only move them.
    images: usize,
    /// For pictures, which take longer.
    pictures: usize,
}

/// What is done with the images.
struct Work {
    name: &'static str,
    mode: Images,
    transform: Option<Transform>,
    sends_checksums: bool,
    over_tls: bool,
}

pub fn cases(quick: bool) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for size in sizes(quick)? {
        let case = |work: &Work, images, memory_mb| case(work, &size, images, memory_mb, quick);
        cases.extend(moves().iter().map(|work| case(work, size.images, ONE_VCPU_MB)));
        let pictures = pictures();
        let measured = if quick { &pictures[..1] } else { &pictures };
        cases.extend(measured.iter().map(|work| case(work, size.pictures, ONE_VCPU_MB)));
        if !quick {
            cases.extend([SMALL_MB, TWO_VCPUS_MB].map(|memory_mb| case(&pictures[0], size.pictures, memory_mb)));
        }
    }
    Ok(cases)
}

fn sizes(quick: bool) -> anyhow::Result<[Size; 4]> {
    let part = |images: usize| if quick { images / 5 } else { images };
    Ok([
        Size {
            name: "18 KB",
            folder: photos::of_the_guide()?,
            images: part(COUNT),
            pictures: part(2_000),
        },
        Size {
            name: "330 KB, 1 MP",
            folder: photos::of_a_camera(1_152, 864, part(1_500))?,
            images: part(1_500),
            pictures: part(300),
        },
        Size {
            name: "3 MB, 8 MP",
            folder: photos::of_a_camera(3_264, 2_448, part(300))?,
            images: part(300),
            pictures: part(100),
        },
        Size {
            name: "4 MB, 12 MP",
            folder: photos::of_a_camera(4_000, 3_000, part(100))?,
            images: part(100),
            pictures: part(100),
        },
    ])
}

/// The modes without pictures.
fn moves() -> [Work; 6] {
    let plain = |name, mode| Work {
        name,
        mode,
        transform: None,
        sends_checksums: true,
        over_tls: false,
    };
    [
        plain("none", Images::None),
        plain("copy", Images::Copy),
        plain("upload", Images::Upload),
        Work {
            // The MD5 of the bytes is compared with the ETag instead.
            sends_checksums: false,
            ..plain("upload, no checksums", Images::Upload)
        },
        Work {
            over_tls: true,
            ..plain("upload, TLS", Images::Upload)
        },
        plain("strip", Images::Strip),
    ]
}

fn pictures() -> [Work; 5] {
    [
        ("transform, 1024 JPEG", vec![rendition(1_024, Format::Jpeg)]),
        ("transform, 2048 JPEG", vec![rendition(2_048, Format::Jpeg)]),
        ("transform, 1024 WebP", vec![rendition(1_024, Format::Webp)]),
        (
            "transform, 2048 and 320 JPEG",
            vec![
                Rendition {
                    name: Some("web".to_owned()),
                    ..rendition(2_048, Format::Jpeg)
                },
                Rendition {
                    name: Some("thumb".to_owned()),
                    ..rendition(320, Format::Jpeg)
                },
            ],
        ),
        ("transform, same size JPEG", vec![rendition(65_535, Format::Jpeg)]),
    ]
    .map(|(name, renditions)| Work {
        name,
        mode: Images::Transform,
        transform: Some(transform(renditions)),
        sends_checksums: true,
        over_tls: false,
    })
}

pub fn transform(renditions: Vec<Rendition>) -> Transform {
    Transform {
        renditions,
        metadata: Metadata::None,
    }
}

pub fn rendition(max_edge: u32, format: Format) -> Rendition {
    Rendition {
        name: None,
        max_edge,
        format,
        quality: 80,
    }
}

fn case(work: &Work, size: &Size, images: usize, memory_mb: u32, quick: bool) -> Case {
    Case {
        name: work.name.to_owned(),
        setting: size.name.to_owned(),
        program: Program::Processors(Processors {
            count: 1,
            concurrency: Concurrency::From(64),
            // One vCPU has the time of one core.
            cores: if memory_mb < TWO_VCPUS_MB {
                Cores::One
            } else {
                Cores::All
            },
            chunk_keys: CHUNK_KEYS,
            memory_mb,
        }),
        load: Load {
            folder: size.folder.clone(),
            images,
            latency: Latency {
                get: REQUEST_LATENCY,
                put: REQUEST_LATENCY,
                list: Duration::ZERO,
                ..Latency::default()
            },
            mode: work.mode,
            transform: work.transform.clone(),
            sends_checksums: work.sends_checksums,
            over_tls: work.over_tls,
        },
        runs: if quick { 1 } else { 3 },
    }
}

/// The cost of a million images, in US dollars.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub lambda: f64,
    pub s3: f64,
}

/// The cost at the prices of [`PRICES`], on arm64. The time of an image is the longest of three: the measured time, the
/// time that its bytes take at Lambda's 625 Mbps, and the time that its CPU time takes on the vCPUs of the function.
pub fn cost_of_a_million(row: &Row) -> Cost {
    const MILLION: f64 = 1e6;
    let vcpus = vcpus(row.function_mb, 1, cpu_threads(row.function_mb));
    let seconds = row.median(|run| {
        let bytes = (run.bytes_read + run.bytes_written) as f64;
        let on_the_vcpus = run.cpu_seconds / vcpus;
        run.seconds.max(bytes / NETWORK_BYTES_PER_SECOND).max(on_the_vcpus) / run.images as f64
    });
    let gb_seconds = seconds * f64::from(row.function_mb) / 1024.0;
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
