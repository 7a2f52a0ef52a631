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
    #[arg(long, default_value_t = 500)]
    chunk_keys: usize,
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
        "each key sent once",
    ]);
    let mut all_right = true;
    for (keys, lifetime) in runs.chain(chain) {
        let (report, elapsed, peak, each_once) = measure(keys, lifetime, options.chunk_keys).await?;
        let is_right = each_once && report.state == State::Completed && report.ok == keys && report.listed == keys;
        all_right &= is_right;
        rows.add_row([
            HumanCount(keys).to_string(),
            format!("{:.1} s", elapsed.as_secs_f64()),
            format!("{:.0}", HumanFloatCount((keys as f64 / elapsed.as_secs_f64()).round())),
            report.generation.to_string(),
            HumanCount(report.chunks).to_string(),
            HumanCount(report.requests.list).to_string(),
            megabytes(peak),
            yes_or((!is_right).then(|| format!("{report:?}"))),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::from(u8::from(!all_right)))
}

/// Runs one job in a new process. Returns its report, its time, the peak memory of fanout in bytes, and whether each
/// key was sent once.
async fn measure(keys: u64, lifetime: Duration, chunk_keys: usize) -> anyhow::Result<(Report, Duration, u64, bool)> {
    let cloud = Cloud::start(Setup {
        lifetime,
        ..Setup::new(keys)
    })
    .await?;
    let progress = bar(usize::try_from(keys)?, "keys");
    let started = Instant::now();
    let fields = json!({"chunk_keys": chunk_keys});
    let ended = cloud.until_ended(|report| progress.set_position(report.ok));
    let (_, report) = tokio::try_join!(cloud.invoke(&fields), ended)?;
    let elapsed = started.elapsed();
    progress.finish_and_clear();
    let peak = cloud.fanout.peak_memory()?;
    Ok((report, elapsed, peak, cloud.sent.is_each_once(keys)))
}
