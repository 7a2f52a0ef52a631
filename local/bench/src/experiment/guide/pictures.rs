use std::path::Path;

use shared::modes::Images;
use shared::transform::Format;

use super::{FANOUT, ONE_PROCESSOR, PROCESSES, PROCESSES_COUNT, Pace, SERIAL, WITHOUT_CPU_THREADS, images};
use crate::experiment::case::Case;
use crate::experiment::pipelines::{rendition, transform};
use crate::experiment::program::{Concurrency, Cores, Load, ONE_VCPU_MB, Processors, Program, TWO_VCPUS_MB};
use crate::experiment::rust_peers::RustPeer;
use local::dataset::COUNT;

/// The strategies for the pipeline with pictures of 1,024 pixels. A folder of large photos has `large` of them.
pub fn cases(pace: Pace, folder: &Path, large: Option<usize>, quick: bool) -> Vec<Case> {
    let processors = |count, concurrency, cores, memory_mb| {
        Program::Processors(Processors {
            count,
            concurrency,
            cores,
            chunk_keys: COUNT,
            memory_mb,
        })
    };
    let one_at_a_time = |count, cores| processors(count, Concurrency::Fixed(1), cores, ONE_VCPU_MB);
    let adaptive = |cores, memory_mb| processors(1, Concurrency::From(64), cores, memory_mb);
    let without_cpu_threads = Program::Rust {
        peer: RustPeer::Pictures,
        in_flight: 64,
    };
    let fanout = |parallel| Program::Fanout {
        parallel,
        concurrency: 64,
    };
    let programs = [
        (SERIAL, "one core", one_at_a_time(1, Cores::One)),
        (WITHOUT_CPU_THREADS, "64 in flight", without_cpu_threads),
        (ONE_PROCESSOR, "one CPU thread", adaptive(Cores::One, ONE_VCPU_MB)),
        (ONE_PROCESSOR, "two CPU threads", adaptive(Cores::All, TWO_VCPUS_MB)),
        (PROCESSES, "2, one image each", one_at_a_time(2, Cores::All)),
        (
            PROCESSES,
            "16, one image each",
            one_at_a_time(PROCESSES_COUNT, Cores::All),
        ),
        (FANOUT, "2 processors", fanout(2)),
        (FANOUT, "8 processors", fanout(8)),
    ];
    let case = |(name, setting, program): (&str, &str, Program)| {
        let of_the_guide = images(program, pace.latency(), quick);
        Case {
            name: name.to_owned(),
            setting: setting.to_owned(),
            program,
            load: Load {
                folder: folder.to_owned(),
                images: large.map_or(of_the_guide, |large| large.min(of_the_guide)),
                latency: pace.latency(),
                mode: Images::Transform,
                transform: Some(transform(vec![rendition(1_024, Format::Jpeg)])),
                sends_checksums: true,
                over_tls: false,
            },
            runs: if quick { 1 } else { 3 },
        }
    };
    programs.into_iter().map(case).collect()
}
