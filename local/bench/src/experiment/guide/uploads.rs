use std::path::Path;

use shared::modes::Images;

use super::{ADAPTIVE, FANOUT, ONE_PROCESSOR, PROCESSES, PROCESSES_COUNT, Pace, SERIAL, images};
use crate::experiment::case::Case;
use crate::experiment::program::{Concurrency, Cores, Load, ONE_VCPU_MB, Processors, Program};
use local::dataset::COUNT;

/// Images in flight in one processor.
const IN_FLIGHT: [usize; 4] = [8, 64, 256, 900];

/// Numbers of processors, and of images in flight in each at the start.
const FANNED_OUT: [(usize, usize); 4] = [(8, 256), (16, 128), (32, 64), (20, 450)];

pub fn cases(pace: Pace, folder: &Path, quick: bool) -> Vec<Case> {
    let processors = |count, concurrency, cores| {
        Program::Processors(Processors {
            count,
            concurrency,
            cores,
            chunk_keys: COUNT,
            memory_mb: ONE_VCPU_MB,
        })
    };
    let one_processor = |concurrency| processors(1, concurrency, Cores::All);
    let one_at_a_time = |count, cores| processors(count, Concurrency::Fixed(1), cores);
    let mut programs = vec![
        (SERIAL, "one core".to_owned(), one_at_a_time(1, Cores::One)),
        (SERIAL, "all cores".to_owned(), one_at_a_time(1, Cores::All)),
        (
            PROCESSES,
            format!("{PROCESSES_COUNT}, one image each"),
            one_at_a_time(PROCESSES_COUNT, Cores::All),
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
            transform: None,
            sends_checksums: true,
            over_tls: false,
        },
        runs: if quick { 1 } else { 3 },
    };
    programs.into_iter().map(case).collect()
}
