use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{HumanCount, HumanDuration, HumanFloatCount};
use serde_json::json;
use shared::protocol::job::{Report, State};

use crate::cloud::Cloud;
use crate::table::{megabytes, table, yes_or};
use local::terminal::bar;

#[derive(Args, Debug)]
pub struct Options {
    /// How many keys: a run for each, in one invocation of fanout
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    keys: Vec<u64>,
    /// Then a run of so many keys, in a chain of invocations; 0 for none
    #[arg(long, default_value_t = 100_000_000)]
    chain: u64,
    /// How long each invocation of the chain is given
    #[arg(long, value_parser = local::terminal::duration, default_value = "2m")]
    lifetime: Duration,
    /// Keys in one chunk
    #[arg(long, default_value_t = 500)]
    chunk_keys: usize,
}

/// Lambda's limit.
const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// For telling beforehand how long it takes.
const EXPECTED_KEYS_PER_SECOND: u64 = 200_000;

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let runs = options.keys.iter().map(|&keys| (keys, MAX_LIFETIME));
    let chain = (options.chain > 0).then_some((options.chain, options.lifetime));
    let all: u64 = options.keys.iter().sum::<u64>() + options.chain;
    println!(
        "fanout alone: an S3 server that makes its keys as they are listed, and processors that do no work. \
         About {}.",
        HumanDuration(Duration::from_secs(all / EXPECTED_KEYS_PER_SECOND + 5))
    );
    let mut rows = table([
        "keys",
        "time",
        "keys/s",
        "invocations of fanout",
        "chunks",
        "LIST",
        "peak memory",
        "each key once",
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

/// One job in a fresh process: its report, its time, the most memory fanout had, and whether each key
/// was sent once.
async fn measure(keys: u64, lifetime: Duration, chunk_keys: usize) -> anyhow::Result<(Report, Duration, u64, bool)> {
    let cloud = Cloud::start(keys, lifetime).await?;
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
