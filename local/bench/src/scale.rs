use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{HumanCount, HumanDuration, HumanFloatCount};
use serde_json::json;
use shared::protocol::job::{Report, State};

use crate::cloud::{Cloud, Setup};
use crate::table::{megabytes, table, yes_or};
use local::terminal::bar;

#[derive(Args, Debug)]
pub struct Options {
    /// Numbers of keys, separated by commas; each is a run in one invocation of fanout
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    keys: Vec<u64>,
    /// Number of keys of a last run, in a chain of invocations; 0 skips it
    #[arg(long, default_value_t = 100_000_000)]
    chain: u64,
    /// Time of each invocation in the chain
    #[arg(long, value_parser = local::terminal::duration, default_value = "2m")]
    lifetime: Duration,
    /// Number of keys in one chunk
    #[arg(long, default_value_t = 1000)]
    chunk_keys: usize,
    /// Number of invocations in flight
    #[arg(long, default_value_t = 1000)]
    parallel: usize,
}

/// Lambda's limit for an invocation.
const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// Used to estimate how long the benchmark takes.
const EXPECTED_KEYS_PER_SECOND: u64 = 200_000;

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let runs = options.keys.iter().map(|&keys| (keys, MAX_LIFETIME));
    let chain = (options.chain > 0).then_some((options.chain, options.lifetime));
    let all: u64 = options.keys.iter().sum::<u64>() + options.chain;
    println!(
        "This measures fanout alone: the S3 server makes its keys while they are listed, and the processors do no \
         work. It takes about {}.",
        HumanDuration(Duration::from_secs(all / EXPECTED_KEYS_PER_SECOND + 5))
    );
    let mut rows = table([
        "keys",
        "time",
        "keys/s",
        "fanout invocations",
        "chunks",
        "LIST",
        "peak memory",
        "largest checkpoint",
        "each key sent once",
    ]);
    let mut all_right = true;
    for (keys, lifetime) in runs.chain(chain) {
        let measured = measure(keys, lifetime, &options).await?;
        let report = &measured.report;
        let is_right =
            measured.is_each_once && report.state == State::Completed && report.ok == keys && report.listed == keys;
        all_right &= is_right;
        rows.add_row([
            HumanCount(keys).to_string(),
            format!("{:.1} s", measured.seconds),
            format!("{:.0}", HumanFloatCount((keys as f64 / measured.seconds).round())),
            report.generation.to_string(),
            HumanCount(report.chunks).to_string(),
            HumanCount(report.requests.list).to_string(),
            megabytes(measured.peak_bytes),
            format!("{:.0} KB", measured.largest_checkpoint as f64 / 1e3),
            yes_or((!is_right).then(|| format!("{report:?}"))),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::from(u8::from(!all_right)))
}

struct Measured {
    report: Report,
    seconds: f64,
    /// Of fanout.
    peak_bytes: u64,
    /// In bytes.
    largest_checkpoint: u64,
    /// Whether each key was sent once.
    is_each_once: bool,
}

/// Runs one job in a new process.
async fn measure(keys: u64, lifetime: Duration, options: &Options) -> anyhow::Result<Measured> {
    let cloud = Cloud::start(Setup {
        lifetime,
        ..Setup::new(keys)
    })
    .await?;
    let progress = bar(usize::try_from(keys)?, "keys");
    let started = Instant::now();
    let fields = json!({"chunk_keys": options.chunk_keys, "parallel": options.parallel});
    let ended = cloud.until_ended(|report| progress.set_position(report.ok));
    let largest = cloud.largest_checkpoint();
    let (_, report, largest_checkpoint) = tokio::try_join!(cloud.invoke(&fields), ended, largest)?;
    let seconds = started.elapsed().as_secs_f64();
    progress.finish_and_clear();
    Ok(Measured {
        report,
        seconds,
        peak_bytes: cloud.fanout.peak_memory()?,
        largest_checkpoint,
        is_each_once: cloud.sent.is_each_once(keys),
    })
}
