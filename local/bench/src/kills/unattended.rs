use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{bail, ensure};
use local::http_server::HttpServer;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3;
use local::scheduler::Scheduler;
use local::starts::{Start, Starts};
use local::workspace::{Profile, binary};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use shared::protocol::job::State;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::job::{PROCESSORS, check, generation, process, report, request, source};
use super::{Killed, LAST_LIFETIME, LIFETIME, Options};
use crate::processors::Processors;

/// A job that stands still for longer is wrong.
const MAX_DEAD: Duration = Duration::from_mins(3);

/// Lambda's retries of a failed asynchronous invocation, as the template says.
const MAX_RETRIES: usize = 2;

/// Runs a job that only the stand-ins of Lambda and EventBridge Scheduler start again.
pub async fn kill_and_wait(seed: u64, options: &Options, photos: &[Vec<u8>]) -> anyhow::Result<Killed> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let server = source(options, photos).await?;
    let scheduler = Arc::new(Scheduler::start().await?);
    let processors = Arc::new(Processors::start(PROCESSORS, &server.environment()).await?);
    let (continuations, mut continued) = mpsc::unbounded_channel();
    let lambda = asynchronous(seed, processors, continuations).await?;
    let endpoint = server.another_endpoint(None).await?;
    let environment = environment(&endpoint, &lambda, &scheduler);
    let program = binary(Profile::Release, "fanout");
    let mut starts = Starts::new(scheduler, MAX_RETRIES);
    starts.add(Start::new("request-1", request()), server.clock.since_epoch());
    let (mut kills, mut dead_since, mut dead) = (0, None, Duration::ZERO);
    while let Some((at, start)) = starts.take_next()? {
        // A start of the schedule may come up to a minute late.
        let late = Duration::from_secs(if dead_since.is_some() {
            random.random_range(0..60)
        } else {
            0
        });
        server
            .clock
            .advance(at.saturating_sub(server.clock.since_epoch()) + late);
        let (before, started) = (generation(&server), server.clock.since_epoch());
        let function = Function::start(&program, &environment, tempfile::tempfile()?).await?;
        let (killed_after, lifetime) = if kills < options.kills {
            (Duration::from_millis(random.random_range(20..2_900)), LIFETIME)
        } else {
            (LAST_LIFETIME * 2, LAST_LIFETIME)
        };
        let ended = timeout(
            killed_after,
            function.invoke(&start.request_id, start.event.clone(), lifetime),
        )
        .await;
        function.kill()?;
        endpoint.until_disconnected().await?;
        let now = server.clock.since_epoch();
        if generation(&server) > before
            && let Some(since) = dead_since.take()
        {
            dead = dead.max(started.saturating_sub(since));
        }
        if !matches!(ended, Ok(Ok(Ok(_)))) {
            kills += u32::from(ended.is_err());
            starts.died(&start, now);
            // A start that is killed before it takes the job over is one more kill.
            dead_since = Some(now);
        }
        while let Ok(event) = continued.try_recv() {
            starts.add(Start::new(&format!("continued-{}", random.random::<u32>()), event), now);
        }
        if let Some(report) = report(&server).filter(|report| report.state != State::Running) {
            check(&server, &report, options.images)?;
            ensure!(dead <= MAX_DEAD, "the job stood still for {dead:?}");
            return Ok(Killed { report, kills, dead });
        }
    }
    bail!("nothing starts the job again: {:?}", report(&server))
}

/// A Lambda endpoint that hands the asynchronous invocations of fanout to the caller.
async fn asynchronous(
    seed: u64,
    processors: Arc<Processors>,
    continuations: mpsc::UnboundedSender<Value>,
) -> anyhow::Result<Endpoint> {
    let numbers = Arc::new(AtomicUsize::new(0));
    Endpoint::start(move |name, payload| {
        let (processors, continuations, numbers) = (processors.clone(), continuations.clone(), numbers.clone());
        async move {
            if name == "fanout" {
                // The job may have ended meanwhile.
                let _ = continuations.send(payload);
                return Reply::Ok(Value::Null);
            }
            let number = numbers.fetch_add(1, Relaxed);
            process(seed, number, &processors, payload).await
        }
    })
    .await
}

fn environment(s3: &HttpServer, lambda: &Endpoint, scheduler: &Scheduler) -> Vec<(&'static str, String)> {
    let mut environment = s3::environment(&s3.url());
    environment.extend([
        ("AWS_ENDPOINT_URL_LAMBDA", lambda.url()),
        ("AWS_ENDPOINT_URL_SCHEDULER", scheduler.url()),
        ("SCHEDULE_GROUP", "jobs".to_owned()),
        ("SCHEDULE_ROLE", "arn:aws:iam::0:role/restarts".to_owned()),
    ]);
    environment
}
