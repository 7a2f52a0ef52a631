use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::processors::Processors;
use local::dataset;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3::{Headers, Object, Server};
use local::terminal::bar;
use local::workspace::{Profile, binary};

#[derive(Args, Debug)]
pub struct Options {
    /// Number of jobs
    #[arg(long, default_value_t = 50)]
    jobs: u64,
    /// Seed of the first job; each further job has the next number
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of images in each job
    #[arg(long, default_value_t = 2_000)]
    images: usize,
    /// How often fanout is killed in each job
    #[arg(long, default_value_t = 4)]
    kills: u32,
}

/// Jobs that run at the same time. They mostly wait.
const MAX_JOBS_IN_FLIGHT: usize = 4;

/// The time of each invocation of fanout, and so how long the lease of a killed one lasts.
const LIFETIME: Duration = Duration::from_secs(3);

/// How long a lease lasts after the deadline of its invocation.
const MAX_CLOCK_SKEW: Duration = Duration::from_millis(1_100);

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "{} jobs of {} images. In each job, fanout is killed (SIGKILL) up to {} times at random moments and started \
         again. Meanwhile Lambda throttles, fails, loses responses and responds late. Both functions are real.",
        options.jobs, options.images, options.kills
    );
    let photos: Arc<Vec<Vec<u8>>> = Arc::new((0..20).map(dataset::photo).collect::<Result<_, _>>()?);
    let progress = bar(usize::try_from(options.jobs)?, "jobs");
    let mut results = stream::iter(options.seed..options.seed + options.jobs)
        .map(|seed| {
            let (photos, options, progress) = (photos.clone(), &options, progress.clone());
            async move {
                let result = kill_and_resume(seed, options, &photos).await;
                progress.inc(1);
                result.with_context(|| format!("seed {seed}"))
            }
        })
        .buffer_unordered(MAX_JOBS_IN_FLIGHT);
    let (mut kills, mut invocations, mut generations, mut wrong) = (0, 0, 0, 0);
    while let Some(result) = results.next().await {
        match result {
            Ok(Killed { report, kills: more }) => {
                kills += more;
                invocations += report.invocations;
                generations += report.generation;
            }
            Err(error) => {
                wrong += 1;
                // `ProgressBar::println` writes nothing where there is no terminal.
                progress.suspend(|| eprintln!("{error:#}"));
            }
        }
    }
    progress.finish_and_clear();
    println!(
        "{} jobs, {kills} kills, {generations} generations of fanout, {invocations} invocations of the processor: {}",
        options.jobs,
        if wrong == 0 {
            "each key was counted once".to_owned()
        } else {
            format!("{wrong} jobs are WRONG")
        }
    );
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

struct Killed {
    report: Report,
    kills: u32,
}

const PROCESSORS: usize = 3;

/// The fanout that Lambda invokes now. `None` while it is killed.
type Fanout = Arc<Mutex<Option<Arc<Function>>>>;

async fn kill_and_resume(seed: u64, options: &Options, photos: &[Vec<u8>]) -> anyhow::Result<Killed> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let server = Server::start(0).await?;
    server.store.create_bucket("photos-out");
    for index in 0..options.images {
        let object = Object::new(photos[index % photos.len()].clone().into(), Headers::default());
        server.store.load("photos", &key(index), object);
    }
    // One image in a hundred fails.
    server.faults.deny("GetObject", "77.jpg");
    let mut environment = server.environment();
    let processors = Arc::new(Processors::start(PROCESSORS, &environment).await?);
    let fanout = Fanout::default();
    let lambda = lambda(seed, processors, fanout.clone()).await?;
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
    environment.push(("INVOKE_TIMEOUT_SECONDS", "2".to_owned()));
    let request = json!({
        "source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "job", "chunk_keys": 20, "parallel": 6,
    });
    let start = async || {
        let binary = binary(Profile::Release, "fanout");
        let function = Arc::new(Function::start(&binary, &environment, tempfile::tempfile()?).await?);
        *fanout.lock().await = Some(function.clone());
        anyhow::Ok(function)
    };
    let mut kills = 0;
    for _ in 0..options.kills {
        let function = start().await?;
        let started = Instant::now();
        let lifetime = Duration::from_millis(random.random_range(20..2_900));
        // By then, this invocation may have ended, and its successor may run.
        let _ = timeout(lifetime, function.invoke("run", request.clone(), LIFETIME)).await;
        sleep_until(started + lifetime).await;
        *fanout.lock().await = None;
        function.kill()?;
        kills += u32::from(report(&server).is_none_or(|report| report.state == State::Running));
        sleep(LIFETIME + MAX_CLOCK_SKEW).await;
    }
    // The last fanout and its successors are not killed.
    let last = start().await?.invoke("run", request, LIFETIME).await?;
    last.map_err(|error| anyhow!("fanout failed: {error}"))?;
    let report = until_ended(&server).await?;
    check(&server, &report, options.images)?;
    Ok(Killed { report, kills })
}

async fn lambda(seed: u64, processors: Arc<Processors>, fanout: Fanout) -> anyhow::Result<Endpoint> {
    let numbers = Arc::new(AtomicUsize::new(0));
    Endpoint::start(move |name, payload| {
        let (processors, fanout, numbers) = (processors.clone(), fanout.clone(), numbers.clone());
        async move {
            if name == "fanout" {
                let function = fanout.lock().await.clone();
                if let Some(function) = function {
                    // A kill ends the invocation, and an asynchronous invocation has no caller to report it to.
                    let _ = function.invoke("continued", payload, LIFETIME).await;
                }
                return Reply::Ok(Value::Null);
            }
            let number = numbers.fetch_add(1, Relaxed);
            process(seed, number, &processors, payload).await
        }
    })
    .await
}

fn key(index: usize) -> String {
    format!("album/{index:05}.jpg")
}

/// Acts as Lambda for one invocation of the processor: runs it, or fails in a random way.
async fn process(seed: u64, number: usize, processors: &Arc<Processors>, payload: Value) -> Reply {
    let mut random = ChaCha8Rng::seed_from_u64(seed << 32 | number as u64);
    sleep(Duration::from_millis(random.random_range(0..300))).await;
    match random.random_range(0..30) {
        0 => Reply::FunctionError(json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"})),
        1 => Reply::Rejected(429, "TooManyRequestsException"),
        2 => Reply::Rejected(503, "ServiceException"),
        3 => {
            processors.run(&format!("chunk-{number}"), payload).await;
            Reply::Dropped
        }
        4 => {
            // The processor works late, after fanout has given the attempt up.
            let processors = processors.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(1)).await;
                processors.run(&format!("chunk-{number}"), payload).await;
            });
            Reply::Dropped
        }
        _ => processors.run(&format!("chunk-{number}"), payload).await,
    }
}

fn report(server: &Server) -> Option<Report> {
    let file = server.store.get("photos-out", "jobs/job/job.json")?;
    serde_json::from_slice(&file.body.bytes()).ok()
}

async fn until_ended(server: &Server) -> anyhow::Result<Report> {
    for _ in 0..1_200 {
        if let Some(report) = report(server).filter(|report| report.state != State::Running) {
            return Ok(report);
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the job did not end within two minutes: {:?}", report(server))
}

/// Checks that each key has one record or is reported as failed once, and that the report has the same counts.
fn check(server: &Server, report: &Report, images: usize) -> anyhow::Result<()> {
    ensure!(report.state == State::Completed, "{report:?}");
    ensure!(report.listed == images as u64 && report.pending == 0, "{report:?}");
    ensure!(
        report.listed == report.ignored + report.skipped + report.ok + report.failed,
        "{report:?}"
    );
    let records = keys(server, "records/job=job/")?;
    let failed = keys(server, "jobs/job/failed/")?;
    ensure!(
        records.len() as u64 == report.ok,
        "{} keys have records, but the report says {report:?}",
        records.len()
    );
    ensure!(
        failed.len() as u64 == report.failed,
        "the files have {} failed keys, but the report says {report:?}",
        failed.len()
    );
    for index in 0..images {
        let key = key(index);
        let times = (
            records.get(&key).copied().unwrap_or(0),
            failed.get(&key).copied().unwrap_or(0),
        );
        let expected = if key.contains("77.jpg") { (0, 1) } else { (1, 0) };
        ensure!(
            times == expected,
            "{key} has {} records and failed {} times; expected {} and {}",
            times.0,
            times.1,
            expected.0,
            expected.1
        );
    }
    Ok(())
}

/// Counts how often each key occurs in the files below a prefix.
fn keys(server: &Server, prefix: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for file in server.store.keys("photos-out", prefix) {
        let body = server
            .store
            .get("photos-out", &file)
            .context("a listed object is missing")?;
        for line in std::str::from_utf8(&body.body.bytes())?.lines() {
            let line: Value = serde_json::from_str(line)?;
            *found
                .entry(line["key"].as_str().context("a line has no key")?.to_owned())
                .or_default() += 1;
        }
    }
    Ok(found)
}
