//! Other programs that do the same work, on a server without delay. This compares the CPU time per image.

use std::path::Path;

use shared::modes::Images;

use super::case::Case;
use super::program::{CHUNK_KEYS, Concurrency, Cores, Load, ONE_VCPU_MB, Processors, Program};
use super::run::Row;
use super::rust_peers::RustPeer;
use local::s3::Latency;

pub const HTTP: &str = "bare HTTP, signed";
pub const OURS: &str = "s3-exif";
pub const SDK: &str = "plain loop over the SDK";
pub const ASYNCIO: &str = "Python, asyncio";

/// All programs over plain HTTP, and then all of them over TLS.
pub fn cases(folder: &Path, quick: bool) -> Vec<Case> {
    let plain = over_http(folder, quick);
    let mut over_tls = plain.clone();
    for case in &mut over_tls {
        case.load.over_tls = true;
        case.runs = if quick { 1 } else { case.runs };
    }
    [plain, over_tls].concat()
}

fn over_http(folder: &Path, quick: bool) -> Vec<Case> {
    let case = |name: &str, setting: &str, mode: Images, program: Program, images: usize| Case {
        name: name.to_owned(),
        setting: setting.to_owned(),
        program,
        load: Load {
            folder: folder.to_owned(),
            images: if quick { images / 4 } else { images },
            latency: Latency::default(),
            mode,
            transform: None,
            sends_checksums: true,
            over_tls: false,
        },
        runs: 3,
    };
    let upload = |name: &str, setting: &str, program, images| case(name, setting, Images::Upload, program, images);
    let ours = processor(Concurrency::From(64));
    let rust = |peer| Program::Rust { peer, in_flight: 64 };
    let python = |how, workers| Program::Python { how, workers };
    let (all, some, few) = (8_000, 3_000, 1_500);
    let mut cases = vec![
        upload(HTTP, "64 in flight", rust(RustPeer::Http), all),
        upload(OURS, "adaptive, from 64 in flight", ours, all),
        upload(OURS, "64 in flight", processor(Concurrency::Fixed(64)), all),
        upload(SDK, "64 in flight", rust(RustPeer::Sdk), all),
        upload(ASYNCIO, "64 tasks", python("asyncio", 64), some),
        upload("Python, processes", "2 processes", python("processes", 2), some),
        upload("Python, serial", "boto3", python("serial", 1), few),
        case(OURS, "copy, adaptive, from 64 in flight", Images::Copy, ours, all),
        case(
            "s5cmd, without EXIF",
            "copy, 64 workers",
            Images::Copy,
            python("s5cmd", 64),
            all,
        ),
    ];
    if !quick {
        // Further settings, to find the best one of each program.
        cases.extend([
            upload(ASYNCIO, "16 tasks", python("asyncio", 16), some),
            upload(ASYNCIO, "256 tasks", python("asyncio", 256), some),
            upload(ASYNCIO, "uvloop, 16 tasks", python("uvloop", 16), some),
            upload(ASYNCIO, "uvloop, 64 tasks", python("uvloop", 64), some),
            upload("Python, processes", "8 processes", python("processes", 8), some),
            upload("Python, processes", "64 processes", python("processes", 64), some),
            case(
                "s5cmd, without EXIF",
                "copy, 256 workers",
                Images::Copy,
                python("s5cmd", 256),
                all,
            ),
        ]);
    }
    cases
}

fn processor(concurrency: Concurrency) -> Program {
    Program::Processors(Processors {
        count: 1,
        concurrency,
        cores: Cores::All,
        chunk_keys: CHUNK_KEYS,
        memory_mb: ONE_VCPU_MB,
    })
}

/// For each program, the row with its fastest setting. The order of the programs stays the same.
pub fn best(rows: &[Row]) -> Vec<&Row> {
    let mut best: Vec<&Row> = Vec::new();
    for row in rows {
        // Copies do less work than uploads, and TLS takes more, so they get rows of their own.
        let kind = |row: &Row| (row.name.clone(), row.setting.starts_with("copy"), row.over_tls);
        match best.iter_mut().find(|best| kind(best) == kind(row)) {
            Some(found) if found.images_per_second() < row.images_per_second() => *found = row,
            Some(_) => {}
            None => best.push(row),
        }
    }
    best
}
