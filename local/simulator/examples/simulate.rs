//! Runs many seeds, each of which is a whole job with its own troubles. For one that fails, it removes what the failure
//! does not need, and shows what happened. `cargo local bench simulate` starts it.

// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_config::SdkConfig;
use clap::Parser;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use simulator::{Run, Scenario, Seed, Summary, run, sdk, shrink};
use tokio::runtime::Builder;

/// Lines of a trace that are shown.
const LINES: usize = 60;

#[derive(Parser, Debug)]
struct Options {
    /// Number of seeds
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = Seed(0))]
    seed: Seed,
    /// Number of threads; each runs one seed at a time
    #[arg(long)]
    threads: Option<usize>,
    /// Stop after this many seeds that fail
    #[arg(long, default_value_t = 1)]
    failures: u64,
    /// Print each seed with the hash of its trace
    #[arg(long)]
    hashes: bool,
    /// Print the whole trace of each seed
    #[arg(long)]
    trace: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let sdk = Builder::new_current_thread().enable_all().build()?.block_on(sdk());
    let threads = match options.threads {
        Some(threads) => threads,
        None => available_parallelism()
            .context("the number of cores is not known")?
            .get(),
    };
    let (next, failures) = (AtomicU64::new(options.seed.0), AtomicU64::new(0));
    let (all, progress) = (Mutex::new(Total::default()), ProgressBar::new(options.seeds));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failures.load(Relaxed) < options.failures {
                    let seed = Seed(next.fetch_add(1, Relaxed));
                    if seed.0 >= options.seed.0.saturating_add(options.seeds) {
                        return;
                    }
                    let ran = simulate(Scenario::new(seed.0), &sdk);
                    progress.inc(1);
                    progress.suspend(|| show(seed, &ran, &options));
                    if let Ok(summary) = &ran.result {
                        all.lock().add(summary);
                    } else {
                        failures.fetch_add(1, Relaxed);
                        progress.suspend(|| explain(seed, &ran, &sdk, &options));
                    }
                }
            });
        }
    });
    progress.finish_and_clear();
    let failures = failures.load(Relaxed);
    all.lock().print(options.seed, started.elapsed(), failures);
    Ok(ExitCode::from(u8::from(failures > 0)))
}

fn simulate(scenario: Scenario, sdk: &SdkConfig) -> Run {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can always be built");
    runtime.block_on(Box::pin(run(scenario, sdk.clone())))
}

fn show(seed: Seed, ran: &Run, options: &Options) {
    if options.trace {
        print!("{}", ran.trace.last(usize::MAX));
    }
    if options.hashes {
        println!("seed {seed}: {:016x}", ran.trace.hash());
    }
}

/// Shows the smallest scenario that breaks the same rule.
fn explain(seed: Seed, ran: &Run, sdk: &SdkConfig, options: &Options) {
    let lines = if options.trace { usize::MAX } else { LINES };
    let Err(violation) = &ran.result else { return };
    println!("seed {seed}: {violation}\n  to see it again: cargo local bench simulate --seed {seed} --seeds 1");
    let fails = |ran: &Run| ran.result.as_ref().is_err_and(|found| found.rule == violation.rule);
    let smallest = shrink(Scenario::new(seed.0), |scenario| {
        fails(&simulate(scenario.clone(), sdk))
    });
    let ran = simulate(smallest.clone(), sdk);
    println!("  this is enough for it:\n{smallest}");
    if let Err(violation) = &ran.result {
        println!("  it ends like this:\n{}\n  {violation}\n", ran.trace.last(lines));
    }
}

/// What all runs did.
#[derive(Default)]
struct Total {
    runs: u64,
    jobs: usize,
    generations: u64,
    helped: usize,
    simulated: Duration,
}

impl Total {
    fn add(&mut self, summary: &Summary) {
        self.runs += 1;
        self.jobs += summary.jobs;
        self.generations += summary.generations;
        self.helped += summary.helped;
        self.simulated += summary.simulated;
    }

    fn print(&self, first: Seed, took: Duration, failures: u64) {
        let hours = self.simulated.as_secs_f64() / 3600.0;
        let seconds = took.as_secs_f64();
        println!(
            "{} seeds from {first} on without a violation, {failures} with one; {} jobs and redrives, {} generations of fanout; in {} \
             runs the user had to start a job again, because Lambda had given up its event and it had no schedule",
            self.runs, self.jobs, self.generations, self.helped
        );
        println!(
            "{hours:.0} simulated hours in {seconds:.0} s: {:.0} seeds and {:.1} simulated hours per second",
            self.runs as f64 / seconds,
            hours / seconds
        );
    }
}
