use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use shared::protocol::job::State;

use crate::cloud::{Cloud, Setup, Work};
use crate::quota::Quota;
use crate::table::{megabytes, table, yes_or};
use local::s3::Latency;
use local::terminal::bar;
use local::workspace::{Profile, binary};

#[derive(Args, Debug)]
pub struct Options {
    /// Numbers of invocations in flight, separated by commas; each is a job
    #[arg(long, value_delimiter = ',', default_values_t = [32, 256, 1000])]
    parallel: Vec<usize>,
    /// Number of chunks for each invocation in flight
    #[arg(long, default_value_t = 20)]
    chunks: usize,
    /// Number of keys in one chunk
    #[arg(long, default_value_t = 100)]
    chunk_keys: usize,
    /// Mean time of a chunk. The times are between half and one and a half of it
    #[arg(long, value_parser = local::terminal::duration, default_value = "1200ms")]
    work: Duration,
    /// Use TLS for all requests of fanout
    #[arg(long)]
    tls: bool,
    /// Give fanout only the CPU time of a function with this memory in MB. Needs root and cgroups v1
    #[arg(long, value_name = "MB")]
    memory: Option<u32>,
    /// Another build of fanout, to measure both in the same run
    #[arg(long, value_name = "PROGRAM")]
    compare: Option<PathBuf>,
}

const LATENCY: Latency = Latency {
    get: Duration::from_millis(30),
    put: Duration::from_millis(60),
    list: Duration::from_millis(30),
    bytes_per_second: 80_000_000,
};

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "This measures how busy fanout keeps the processors. fanout is real; the processors only wait for the time of a \
         chunk. A GET and a page of the listing take 30 ms and a PUT takes 60 ms, and a connection transfers 80 MB/s."
    );
    let ours = binary(Profile::Release, "fanout");
    let mut programs = vec![("fanout", ours)];
    if let Some(other) = &options.compare {
        programs.push(("the other build", other.clone()));
    }
    let mut rows = table([
        "program",
        "in flight",
        "chunks",
        "job",
        "busy until last start",
        "busy until last end",
        "CPU/chunk",
        "written/chunk",
        "connections to S3 and Lambda",
        "reads, writes, lists of fanout",
        "largest checkpoint",
        "peak memory",
        "each key sent once",
    ]);
    let mut all_right = true;
    for &parallel in &options.parallel {
        for (name, program) in &programs {
            let (row, is_right) = measure(name, program.clone(), parallel, &options).await?;
            rows.add_row(row);
            all_right &= is_right;
        }
    }
    println!("{rows}");
    Ok(ExitCode::from(u8::from(!all_right)))
}

/// Runs one job. Returns its row, and whether each key was sent once.
async fn measure(
    name: &str,
    program: PathBuf,
    parallel: usize,
    options: &Options,
) -> anyhow::Result<(Vec<String>, bool)> {
    let keys = (parallel * options.chunks * options.chunk_keys) as u64;
    let work = Work {
        mean: options.work,
        chunk_keys: options.chunk_keys,
    };
    let cloud = Cloud::start(Setup {
        program,
        work: Some(work),
        over_tls: options.tls,
        ..Setup::new(keys)
    })
    .await?;
    cloud.server.faults.set_latency(LATENCY);
    let quota = options.memory.map(|memory_mb| Quota::set(cloud.fanout.id(), memory_mb));
    let _quota = quota.transpose()?;
    let progress = bar(usize::try_from(keys)?, "keys");
    let started = Instant::now();
    let fields = json!({"chunk_keys": options.chunk_keys, "parallel": parallel, "concurrency": 64});
    let ended = cloud.until_ended(|report| progress.set_position(report.ok));
    let largest = cloud.largest_checkpoint();
    let (_, report, largest) = tokio::try_join!(cloud.invoke(&fields), ended, largest)?;
    let elapsed = started.elapsed();
    progress.finish_and_clear();
    let busy = cloud.sent.occupancy.busy(parallel).context("no chunk was sent")?;
    let is_right = cloud.sent.is_each_once(keys) && report.state == State::Completed && report.ok == keys;
    let cpu = cloud.fanout.cpu_time()?.as_secs_f64() * 1000.0 / report.invocations as f64;
    let processors = report.invocations;
    let written = cloud.server.served.totals().bytes_written as f64 / 1e3 / processors as f64;
    let (s3, lambda) = cloud.connections();
    let requests = report.requests;
    let row = vec![
        name.to_owned(),
        parallel.to_string(),
        HumanCount(report.chunks).to_string(),
        format!("{:.1} s", elapsed.as_secs_f64()),
        format!("{:.1} %", busy.until_last_start * 100.0),
        format!("{:.1} %", busy.until_last_end * 100.0),
        format!("{cpu:.2} ms"),
        format!("{written:.1} KB"),
        format!("{} + {}", HumanCount(s3.opened), HumanCount(lambda.opened)),
        format!(
            "{}, {}, {}",
            HumanCount(requests.get.saturating_sub(keys)),
            HumanCount(requests.put.saturating_sub(processors)),
            HumanCount(requests.list)
        ),
        format!("{:.0} KB", largest as f64 / 1e3),
        megabytes(cloud.fanout.peak_memory()?),
        yes_or((!is_right).then(|| format!("{report:?}"))),
    ];
    Ok((row, is_right))
}
