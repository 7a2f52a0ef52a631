//! Compares the plan of a job with the job itself.

mod prefixes;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use clap::Args;
use comfy_table::Table;
use indicatif::HumanCount;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::prices::{Architecture, PRICES};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::job::{Report, State};
use shared::protocol::usage::Requests;

use crate::experiment::ONE_VCPU_MB;
use crate::photos::DESTINATION;
use crate::processors::Processors;
use crate::table::table;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3::{Latency, Server};
use local::workspace::{Profile, binary};
use prefixes::{Prefix, prefixes};

#[derive(Args, Debug)]
pub struct Options {
    /// Number of processors
    #[arg(long, default_value_t = 4)]
    parallel: usize,
    /// Time of each request to S3
    #[arg(long, value_parser = local::terminal::duration, default_value = "30ms")]
    latency: Duration,
    /// Use only one in so many objects of each prefix
    #[arg(long, default_value_t = 1)]
    part: usize,
    /// Number of jobs of each kind; their median counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// The memory of fanout, as in the template.
const FANOUT_MB: u32 = 512;

const LIFETIME: Duration = Duration::from_mins(15);

/// The plan and the job should agree within this part of the job's figure.
const TOLERANCE: f64 = 0.2;

/// The part of a plan that is compared.
#[derive(Debug, Deserialize)]
struct Plan {
    images: u64,
    seconds: f64,
    requests: Requests,
    cost_usd: Cost,
    bottleneck: String,
}

#[derive(Debug, Deserialize)]
struct Cost {
    total: f64,
}

/// What a job took.
struct Job {
    report: Report,
    seconds: f64,
    /// The time of all invocations of the processor.
    processor_seconds: f64,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "This compares the plan of a job with the job itself, for five kinds of prefixes. Each request takes {} ms, and \
         there are {} processors. The plan gets the time of a request, and the CPU time of an image from a job without \
         latency: on this machine, the processors, fanout and the S3 server share the cores.",
        options.latency.as_millis(),
        options.parallel
    );
    let mut rows = table([
        "prefix",
        "images",
        "mode",
        "bottleneck",
        "seconds: plan, job, plan/job",
        "requests: plan, job, plan/job",
        "cost in $: plan, job, plan/job",
        "within 20 %",
    ]);
    for prefix in prefixes(options.part)? {
        eprintln!("{}", prefix.name);
        add(&mut rows, &prefix, compare(&prefix, &options).await?);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn add(rows: &mut Table, prefix: &Prefix, (plan, job): (Plan, Job)) {
    let all = |requests: Requests| requests.to_s3() + requests.invoke;
    let requests = [all(plan.requests), job.report.requests.to_s3() + job.report.invocations];
    let pairs = [
        (plan.seconds, job.seconds),
        (requests[0] as f64, requests[1] as f64),
        (plan.cost_usd.total, job.cost()),
    ];
    let [seconds, counts, cost] = pairs.map(|(plan, job)| plan / job);
    let agree = [seconds, counts, cost]
        .into_iter()
        .all(|ratio| (ratio - 1.0).abs() <= TOLERANCE);
    rows.add_row([
        prefix.name.to_owned(),
        HumanCount(plan.images).to_string(),
        prefix.mode.to_owned(),
        plan.bottleneck,
        format!("{:.1}, {:.1}, {seconds:.2}", pairs[0].0, pairs[0].1),
        format!("{}, {}, {counts:.2}", HumanCount(requests[0]), HumanCount(requests[1])),
        format!("{:.4}, {:.4}, {cost:.2}", pairs[2].0, pairs[2].1),
        if agree { "yes" } else { "no" }.to_owned(),
    ]);
}

/// Plans a job and runs it, on a new server.
async fn compare(prefix: &Prefix, options: &Options) -> anyhow::Result<(Plan, Job)> {
    let cloud = Cloud::start(prefix, options.parallel).await?;
    let free = cloud.jobs("free", options.runs).await?;
    let cpu_ms = free.seconds * 1e3 * options.parallel as f64 / free.report.ok as f64;
    cloud.server.faults.set_latency(Latency {
        get: options.latency,
        put: options.latency,
        list: options.latency,
        ..Latency::default()
    });
    let request_ms = options.latency.as_secs_f64() * 1e3;
    let fields = json!({"action": "plan", "assume": {"request_ms": request_ms, "cpu_ms_per_image": cpu_ms}});
    let plan = serde_json::from_value(cloud.invoke(&fields).await?)?;
    Ok((plan, cloud.jobs("measured", options.runs).await?))
}

impl Job {
    /// In US dollars.
    fn cost(&self) -> f64 {
        let requests = self.report.requests;
        let mb_seconds = self.processor_seconds * f64::from(ONE_VCPU_MB) + self.seconds * f64::from(FANOUT_MB);
        mb_seconds / 1024.0 * PRICES.gb_second(Architecture::Arm64)
            + (self.report.invocations + 1) as f64 * PRICES.lambda_invocation
            + (requests.list + requests.put + requests.copy) as f64 * PRICES.s3_put_copy_list
            + (requests.get + requests.head) as f64 * PRICES.s3_get_head
    }
}

/// A server with a prefix, and the functions.
struct Cloud {
    server: Server,
    fanout: Function,
    request: Value,
    /// The time of all invocations of the processor, in milliseconds.
    processor_ms: Arc<AtomicU64>,
    _lambda: Endpoint,
}

impl Cloud {
    async fn start(prefix: &Prefix, parallel: usize) -> anyhow::Result<Self> {
        let server = Server::start(0).await?;
        server.store.create_bucket(DESTINATION);
        prefix.load(&server.store);
        let mut environment = server.environment();
        environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ONE_VCPU_MB.to_string()));
        let processors = Arc::new(Processors::start(parallel, &environment).await?);
        let processor_ms = Arc::<AtomicU64>::default();
        let (time, numbers) = (processor_ms.clone(), Arc::<AtomicU64>::default());
        let lambda = Endpoint::start(move |_, payload| {
            let (processors, time) = (processors.clone(), time.clone());
            let number = numbers.fetch_add(1, Relaxed);
            async move {
                let reply = processors.run(&format!("chunk-{number}"), payload).await;
                if let Reply::Ok(response) = &reply
                    && let Ok(response) = serde_json::from_value::<ChunkResponse>(response.clone())
                {
                    time.fetch_add(response.usage.elapsed_ms, Relaxed);
                }
                reply
            }
        })
        .await?;
        let mut environment = server.environment();
        environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
        environment.push(("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", FANOUT_MB.to_string()));
        let fanout = Function::start(&binary(Profile::Release, "fanout"), &environment, tempfile::tempfile()?).await?;
        fanout.init_time().await?;
        let request = json!({
            "source": "s3://photos/", "destination": format!("s3://{DESTINATION}/"), "images": prefix.mode,
            "parallel": parallel,
        });
        Ok(Self {
            server,
            fanout,
            request,
            processor_ms,
            _lambda: lambda,
        })
    }

    /// Invokes fanout. `fields` are added to the request.
    async fn invoke(&self, fields: &Value) -> anyhow::Result<Value> {
        let mut request = self.request.clone();
        for (name, value) in fields.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        let response = self.fanout.invoke("bench", request, LIFETIME).await?;
        response.map_err(|error| anyhow!("fanout failed: {error}"))
    }

    /// Runs a job several times. Returns the job with the median time.
    async fn jobs(&self, name: &str, runs: usize) -> anyhow::Result<Job> {
        let mut jobs = Vec::new();
        for run in 0..runs.max(1) {
            jobs.push(self.job(&format!("{name}-{run}")).await?);
        }
        jobs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let middle = jobs.len() / 2;
        Ok(jobs.swap_remove(middle))
    }

    async fn job(&self, id: &str) -> anyhow::Result<Job> {
        self.processor_ms.store(0, Relaxed);
        let started = Instant::now();
        let report: Report = serde_json::from_value(self.invoke(&json!({"job_id": id})).await?)?;
        let is_complete = report.state == State::Completed && report.failed == 0;
        ensure!(is_complete, "the job is not done: {report:?}");
        Ok(Job {
            report,
            seconds: started.elapsed().as_secs_f64(),
            processor_seconds: self.processor_ms.load(Relaxed) as f64 / 1e3,
        })
    }
}
