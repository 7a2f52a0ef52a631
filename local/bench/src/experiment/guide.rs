//! The guide's experiment: the same images, one after the other, on more hardware, by more processes, many at
//! a time, and fanned out.

use std::path::Path;
use std::time::Duration;

use shared::modes::Images;

use super::case::Case;
use super::program::{Concurrency, Cores, Load, Processors, Program};
use local::dataset::COUNT;
use local::s3::Latency;

/// The guide's two accounts of one image, which do not agree.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// 650 s for 8,154 images: 80 ms each, parted as 800 : 120 : 400.
    SerialTotal,
    /// 800 ms of download, 120 ms of EXIF, 400 ms of upload.
    StatedLatencies,
}

/// The guide says nothing of listing; a page of S3 takes some 50 ms.
const LIST_LATENCY: Duration = Duration::from_millis(50);

impl Pace {
    /// Reads and writes only: for EXIF each program takes what it takes.
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

/// Rows by their names.
pub const SERIAL: &str = "serial";
pub const ONE_PROCESSOR: &str = "one processor";
pub const FANOUT: &str = "fanout";

/// The setting of the processor as it is used: its images in flight are up to it.
pub const ADAPTIVE: &str = "its own choice, from 64 in flight on";

/// Images in flight in one processor.
const IN_FLIGHT: [usize; 4] = [8, 64, 256, 900];

/// Processors, and images in flight in each.
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
            format!("{PROCESSES}, each one image at a time"),
            one_at_a_time(PROCESSES, Cores::All),
        ),
    ];
    programs.extend(IN_FLIGHT.map(|in_flight| {
        let program = one_processor(Concurrency::Fixed(in_flight));
        (ONE_PROCESSOR, format!("up to {in_flight} in flight"), program)
    }));
    programs.push((ONE_PROCESSOR, ADAPTIVE.to_owned(), one_processor(Concurrency::From(64))));
    programs.extend(FANNED_OUT.map(|(parallel, concurrency)| {
        let setting = format!("{parallel} processors, from {concurrency} in flight on");
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
        },
        runs: if quick { 1 } else { 3 },
    };
    programs.into_iter().map(case).collect()
}

/// Few at a time take their time, and a part of the images tells as much.
fn images(program: Program, latency: Latency, quick: bool) -> usize {
    let time = Duration::from_secs(if quick { 3 } else { 6 });
    let each = (latency.get + latency.put).as_micros();
    let rounds = usize::try_from(time.as_micros() / each).unwrap_or(usize::MAX);
    match program {
        // It takes some to find what is best.
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
