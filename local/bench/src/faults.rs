use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use comfy_table::Table;
use indicatif::HumanCount;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::protocol::failure::FailureClass;
use shared::protocol::job::{Report, State};

use crate::processors::Processors;
use crate::table::table;
use local::dataset;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3::{Chances, Effect, Fault, Headers, Latency, Object, Server};
use local::workspace::{Profile, binary};

#[derive(Args, Debug)]
pub struct Options {
    /// Number of images
    #[arg(long, default_value_t = 20_000)]
    images: usize,
    /// Image mode: none, copy or upload
    #[arg(long, default_value = "copy")]
    mode: String,
    /// Number of processors, and so of invocations in flight
    #[arg(long, default_value_t = 16)]
    processors: usize,
    /// Percentage of processor invocations that are killed at a random moment
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Minimum time of each read and each write
    #[arg(long, value_parser = local::terminal::duration, default_value = "20ms")]
    latency: Duration,
    /// Seed that chooses what fails
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Percentages of the requests for objects.
const CHANCES: Chances = Chances {
    slow_down: 5.0,
    internal_error: 2.0,
    reset: 1.0,
    stall: 1.0,
    cut: 1.0,
    other_error: 1.0,
    wrong_response: 1.0,
    empty_page: 10.0,
    short_page: 10.0,
    seed: 0,
};

/// Images that fail in every attempt, with the failure class that each must have.
const POISON: [(&str, FailureClass); 4] = [
    ("poison/broken-off.jpg", FailureClass::Corrupt),
    ("poison/denied.jpg", FailureClass::AccessDenied),
    ("poison/killing.jpg", FailureClass::Internal),
    ("poison/archived.jpg", FailureClass::Archived),
];

/// The image that kills every processor that gets it.
const KILLING: &str = "poison/killing.jpg";

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "{} images (mode {}), {} processors. Injected faults: {} % SlowDown, {} % InternalError, {} % resets, {} % \
         stalls, {} % cuts, {} % other errors, {} % wrong responses; {} % of pages empty and {} % short; {} % of \
         invocations killed, {} images that always fail.",
        HumanCount(options.images as u64),
        options.mode,
        options.processors,
        CHANCES.slow_down,
        CHANCES.internal_error,
        CHANCES.reset,
        CHANCES.stall,
        CHANCES.cut,
        CHANCES.other_error,
        CHANCES.wrong_response,
        CHANCES.empty_page,
        CHANCES.short_page,
        options.kills,
        POISON.len(),
    );
    let photos: Vec<Vec<u8>> = (0..20).map(dataset::photo).collect::<Result<_, _>>()?;
    let calm = job(&options, &photos, false)
        .await
        .context("the run without faults failed")?;
    let faulty = job(&options, &photos, true)
        .await
        .context("the run with faults failed")?;

    println!("{}", rows(&calm, &faulty));
    let injected = faulty.server.faults.injected();
    println!(
        "\ninjected: {} SlowDown, {} InternalError, {} resets, {} stalls, {} cuts, {} others",
        injected.slow_down, injected.internal_error, injected.reset, injected.stall, injected.cut, injected.other
    );
    let ratio = faulty.elapsed.as_secs_f64() / calm.elapsed.as_secs_f64();
    println!("with faults, the job takes {ratio:.2} times as long");
    match compare(&options, &calm, &faulty) {
        Ok(()) => {
            println!("every outcome is correct, and both runs wrote the same bytes");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("WRONG: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn rows(calm: &JobRun, faulty: &JobRun) -> Table {
    let mut rows = table([
        "run",
        "time",
        "images/s",
        "ok",
        "failed",
        "GET",
        "PUT and COPY",
        "throttled",
        "invocations",
        "killed",
    ]);
    for (name, run) in [("without faults", &calm), ("with faults", &faulty)] {
        let report = &run.report;
        let count = |number: u64| HumanCount(number).to_string();
        rows.add_row([
            name.to_owned(),
            format!("{:.1} s", run.elapsed.as_secs_f64()),
            format!("{:.0}", report.ok as f64 / run.elapsed.as_secs_f64()),
            count(report.ok),
            count(report.failed),
            count(report.requests.get),
            count(report.requests.put + report.requests.copy),
            count(report.throttled),
            count(report.invocations),
            count(run.kills as u64),
        ]);
    }
    rows
}

struct JobRun {
    server: Server,
    report: Report,
    elapsed: Duration,
    kills: usize,
}

/// Runs a whole job. Each function is a separate process.
async fn job(options: &Options, photos: &[Vec<u8>], with_faults: bool) -> anyhow::Result<JobRun> {
    let server = Server::start(0).await?;
    fill(&server, options, photos);
    server.faults.set_latency(Latency {
        get: options.latency,
        put: options.latency,
        ..Latency::default()
    });
    let mut environment = server.environment();
    let processors = Arc::new(Processors::start(options.processors, &environment).await?);
    let random = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(options.seed)));
    let (kills, numbers) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let percent = if with_faults { options.kills } else { 0 };
    let lambda = {
        let kills = kills.clone();
        Endpoint::start(move |_, payload| {
            let (processors, kills) = (processors.clone(), kills.clone());
            let number = numbers.fetch_add(1, Relaxed);
            let mut random = random.lock();
            let (drawn, moment) = (random.random_range(0..100), random.random_range(0..1_000));
            let poisoned = with_faults && keys(&payload).any(|key| key == KILLING);
            async move {
                let id = format!("chunk-{number}");
                let after = match (poisoned, drawn < percent) {
                    (true, _) => Duration::ZERO,
                    (false, true) => Duration::from_millis(moment),
                    (false, false) => return processors.run(&id, payload).await,
                };
                let reply = processors.run_and_kill(&id, payload, after).await;
                kills.fetch_add(usize::from(matches!(reply, Reply::FunctionError(_))), Relaxed);
                reply
            }
        })
        .await?
    };
    if with_faults {
        inject_faults(&server, options.seed);
    }
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
    let fanout = Function::start(&binary(Profile::Release, "fanout"), &environment, tempfile::tempfile()?).await?;
    let request = json!({
        "source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "bench", "images": options.mode,
        "parallel": options.processors,
    });
    let started = Instant::now();
    let response = fanout.invoke("bench", request, Duration::from_mins(15)).await?;
    let elapsed = started.elapsed();
    let report = response.map_err(|error| anyhow!("fanout failed: {error}"))?;
    server.faults.set_latency(Latency::default());
    Ok(JobRun {
        report: serde_json::from_value(report)?,
        elapsed,
        kills: kills.load(Relaxed),
        server,
    })
}

fn keys(payload: &Value) -> impl Iterator<Item = &str> {
    let objects = payload["objects"].as_array().into_iter().flatten();
    objects.filter_map(|object| object["key"].as_str())
}

fn fill(server: &Server, options: &Options, photos: &[Vec<u8>]) {
    server.store.create_bucket("photos-out");
    // The same time in both runs, because it is in the records, which are compared.
    let object = |index: usize| Object {
        last_modified: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        ..Object::new(photos[index % photos.len()].clone().into(), Headers::default())
    };
    for index in 0..options.images {
        server
            .store
            .load("photos", &format!("album/{index:06}.jpg"), object(index));
    }
    for (index, (key, class)) in POISON.into_iter().enumerate() {
        let mut object = object(index);
        object.storage_class = (class == FailureClass::Archived).then(|| "DEEP_ARCHIVE".to_owned());
        server.store.load("photos", key, object);
    }
}

fn inject_faults(server: &Server, seed: u64) {
    server.faults.deny("GetObject", "denied");
    server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "broken-off".to_owned(),
        effect: Effect::Cut,
        after: 0,
        times: usize::MAX,
    });
    server.faults.set_chances(Some(Chances { seed, ..CHANCES }));
}

/// Checks that both runs have the expected outcomes and wrote the same records and copies.
fn compare(options: &Options, calm: &JobRun, faulty: &JobRun) -> anyhow::Result<()> {
    let images = options.images as u64;
    for (run, failed) in [(calm, 1), (faulty, POISON.len() as u64)] {
        let report = &run.report;
        ensure!(report.state == State::Completed && report.pending == 0, "{report:?}");
        ensure!(report.listed == images + POISON.len() as u64, "{report:?}");
        ensure!(report.ok + report.failed == report.listed, "{report:?}");
        ensure!(report.failed == failed, "{report:?}");
    }
    let mut failed = lines(&faulty.server, "jobs/bench/failed/")?;
    for (key, class) in POISON {
        let line = failed.remove(key).with_context(|| format!("{key} did not fail"))?;
        let line: Value = serde_json::from_str(&line)?;
        ensure!(
            line["class"] == class.to_string(),
            "the failure class should be {class}: {line}"
        );
    }
    ensure!(failed.is_empty(), "these images should not have failed: {failed:?}");

    let (calm_records, records) = (lines(&calm.server, "records/")?, lines(&faulty.server, "records/")?);
    ensure!(
        records.len() == options.images,
        "there are {} records instead of {}",
        records.len(),
        options.images
    );
    for (key, line) in &records {
        ensure!(
            calm_records.get(key).is_some_and(|calm| calm == line),
            "the record of {key} differs between the runs: {line}"
        );
        let image = |run: &JobRun| run.server.store.get("photos-out", &format!("images/{key}"));
        match (image(calm), image(faulty)) {
            (Some(calm), Some(faulty)) => ensure!(
                calm.body == faulty.body && calm.headers.user_metadata == faulty.headers.user_metadata,
                "the copy of {key} differs between the runs"
            ),
            (None, None) => ensure!(options.mode == "none", "{key} has no copy"),
            _ => anyhow::bail!("only one of the two runs has a copy of {key}"),
        }
    }
    Ok(())
}

/// Reads all lines of the files below a prefix. Returns each under its key, or an error if a key occurs twice.
fn lines(server: &Server, prefix: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for file in server.store.keys("photos-out", prefix) {
        let body = server
            .store
            .get("photos-out", &file)
            .context("a listed object is missing")?
            .body
            .bytes();
        for line in std::str::from_utf8(&body)?.lines() {
            let value: Value = serde_json::from_str(line)?;
            let key = value["key"].as_str().context("a line has no key")?.to_owned();
            ensure!(
                found.insert(key, line.to_owned()).is_none(),
                "this key occurs twice: {line}"
            );
        }
    }
    Ok(found)
}
