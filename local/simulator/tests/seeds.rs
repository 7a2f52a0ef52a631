//! Whole jobs in simulated time. `cargo local bench simulate` runs many more, and explains those that fail.

// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, available_parallelism};

use aws_config::SdkConfig;
use simulator::{Run, Scenario, Seed, run, sdk};
use tokio::runtime::Builder;

const SEEDS: u64 = 500;

/// Later seeds that have found faults which are mended.
const KEPT: [&str; 7] = [
    // A redrive took the encoded form of a failed key for a name.
    "8187c9-740",
    // A chunk was sent again, although nobody knew whether its fence was written.
    "8187c9-1008",
    // An object was read twice, and was too short both times.
    "8187c9-1176",
    // A file of failed keys was written late.
    "8187c9-1255",
    // A report was written late.
    "8187c9-1591",
    // A list of keys was read as empty.
    "8187c9-2921",
    // A record file was written, its response was lost, and the last try said that nothing can be written there.
    "8187c9-43942",
];

fn settings() -> SdkConfig {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(sdk())
}

fn simulate(seed: Seed, sdk: &SdkConfig) -> Run {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime
        .unwrap()
        .block_on(Box::pin(run(Scenario::new(seed.0), sdk.clone())))
}

/// Calls `work` with each number below `count`, on all cores.
fn on_all_cores(count: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= count {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

#[test]
fn whatever_goes_wrong_jobs_stay_exact() {
    let sdk = settings();
    let kept = KEPT.map(|seed| seed.parse().unwrap());
    let seeds: Vec<Seed> = (0..SEEDS).map(Seed).chain(kept).collect();
    on_all_cores(seeds.len() as u64, |index| {
        let seed = seeds[usize::try_from(index).unwrap()];
        let ran = simulate(seed, &sdk);
        if let Err(violation) = ran.result {
            let again = format!("cargo local bench simulate --seed {seed} --seeds 1");
            panic!(
                "seed {seed}: {violation}\nto see it again: {again}\n{}",
                ran.trace.last(60)
            );
        }
    });
}

/// Ends the busy threads, also if a run panics.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_on_a_busy_machine() {
    const SEEDS: u64 = 8;
    let (sdk, is_over) = (settings(), AtomicBool::new(false));
    let calm: Vec<u64> = (0..SEEDS).map(|seed| simulate(Seed(seed), &sdk).trace.hash()).collect();
    thread::scope(|scope| {
        for _ in 0..available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    spin_loop();
                }
            });
        }
        let _ending = Ending(&is_over);
        // In another order, and with other settings of the SDK.
        let sdk = settings();
        let mut busy: Vec<u64> = (0..SEEDS)
            .rev()
            .map(|seed| simulate(Seed(seed), &sdk).trace.hash())
            .collect();
        busy.reverse();
        assert_eq!(calm, busy);
    });
}
