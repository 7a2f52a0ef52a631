//! The guide's experiment: the same images one after another, on more cores, in more processes, with more images in
//! flight, and with fanout.

use std::path::Path;
use std::time::Duration;

use shared::modes::Images;

use super::case::Case;
use super::program::{Concurrency, Cores, Load, Processors, Program};
use local::dataset::COUNT;
use local::s3::Latency;

/// The guide's two figures for the time of one image. They contradict each other.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Its total of 650 s for 8,154 images: 80 ms each, which we divide in the ratio 800 : 120 : 400.
    SerialTotal,
    /// Its latencies: 800 ms for the download, 120 ms for EXIF, 400 ms for the upload.
    StatedLatencies,
}

/// The time of a page of a listing. The guide does not state it; in S3, it is about 50 ms.
const LIST_LATENCY: Duration = Duration::from_millis(50);

impl Pace {
    /// The latency of the server for reads and writes. EXIF takes as long as each program needs for it.
    pub fn latency(self) -> Latency {
        let (get, put) = match self {
            Self::SerialTotal => (48_500, 24_200),
            Self::StatedLatencies => (800_000, 400_000),
        };
        Latency {
            get: Duration::from_micros(get),
            put: Duration::from_micros(put),
            list: LIST_LATENCY,
        }
    }
}

/// Names of rows.
pub const SERIAL: &str = "serial";
pub const ONE_PROCESSOR: &str = "one processor";
pub const FANOUT: &str = "fanout";

/// The setting of the processor in real use: it adapts its images in flight.
pub const ADAPTIVE: &str = "adaptive, from 64 in flight";

/// Images in flight in one processor.
const IN_FLIGHT: [usize; 4] = [8, 64, 256, 900];

/// Numbers of processors, and of images in flight in each at the start.
const FANNED_OUT: [(usize, usize); 4] = [(8, 256), (16, 128), (32, 64), (20, 450)];

const PROCESSES: usize = 16;

pub fn cases(pace: Pace, folder: &Path, quick: bool) -> Vec<Case> {
    let processors = |count, concurrency, cores| {
        Program::Processors(Processors {
            count,
            concurrency,
            cores,
            chunk_keys: COUNT,
        })
    };
    let one_processor = |concurrency| processors(1, concurrency, Cores::All);
    let one_at_a_time = |count, cores| processors(count, Concurrency::Fixed(1), cores);
    let mut programs = vec![
        (SERIAL, "one core".to_owned(), one_at_a_time(1, Cores::One)),
        (SERIAL, "all cores".to_owned(), one_at_a_time(1, Cores::All)),
        (
            "processes",
            format!("{PROCESSES}, one image each"),
            one_at_a_time(PROCESSES, Cores::All),
        ),
    ];
    programs.extend(IN_FLIGHT.map(|in_flight| {
        let program = one_processor(Concurrency::Fixed(in_flight));
        (ONE_PROCESSOR, format!("up to {in_flight} in flight"), program)
    }));
    programs.push((ONE_PROCESSOR, ADAPTIVE.to_owned(), one_processor(Concurrency::From(64))));
    programs.extend(FANNED_OUT.map(|(parallel, concurrency)| {
        let setting = format!("{parallel} processors, from {concurrency} in flight");
        (FANOUT, setting, Program::Fanout { parallel, concurrency })
    }));
    let case = |(name, setting, program): (&str, _, _)| Case {
        name: name.to_owned(),
        setting,
        program,
        load: Load {
            folder: folder.to_owned(),
            images: images(program, pace.latency(), quick),
            latency: pace.latency(),
            mode: Images::Upload,
            sends_checksums: true,
        },
        runs: if quick { 1 } else { 3 },
    };
    programs.into_iter().map(case).collect()
}

/// The number of images to measure. With few images in flight, all images would take too long, and a part of them gives
/// the same rate.
fn images(program: Program, latency: Latency, quick: bool) -> usize {
    let time = Duration::from_secs(if quick { 3 } else { 6 });
    let each = (latency.get + latency.put).as_micros();
    let rounds = usize::try_from(time.as_micros() / each).unwrap_or(usize::MAX);
    match program {
        // An adaptive processor needs many images to find its best number in flight.
        Program::Processors(Processors {
            concurrency: Concurrency::From(_),
            ..
        }) if quick => COUNT / 4,
        Program::Fanout { .. }
        | Program::Processors(Processors {
            concurrency: Concurrency::From(_),
            ..
        }) => COUNT,
        _ => COUNT.min(program.in_flight() * rounds.max(2)),
    }
}
