use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::anyhow;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3;
use local::workspace::{Profile, binary};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use shared::protocol::job::State;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::job::{PROCESSORS, check, process, report, request, source, until_ended};
use super::{Killed, LAST_LIFETIME, LIFETIME, Options};
use crate::processors::Processors;

/// After this time on the clock of S3, every lease has ended.
const LEASE: Duration = Duration::from_secs(62);

/// The fanout that Lambda invokes now, and the time of its invocations. `None` while it is killed.
type Fanout = Arc<Mutex<Option<(Arc<Function>, Duration)>>>;

pub async fn kill_and_resume(seed: u64, options: &Options, photos: &[Vec<u8>]) -> anyhow::Result<Killed> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let server = source(options, photos).await?;
    let endpoint = server.another_endpoint(None).await?;
    let processors = Arc::new(Processors::start(PROCESSORS, &server.environment()).await?);
    let fanout = Fanout::default();
    let lambda = lambda(seed, processors, fanout.clone()).await?;
    let mut environment = s3::environment(&endpoint.url());
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
    let request = request();
    let start = async |lifetime| {
        let binary = binary(Profile::Release, "fanout");
        let function = Arc::new(Function::start(&binary, &environment, tempfile::tempfile()?).await?);
        *fanout.lock().await = Some((function.clone(), lifetime));
        anyhow::Ok(function)
    };
    let mut kills = 0;
    for _ in 0..options.kills {
        let function = start(LIFETIME).await?;
        let killed_at = Instant::now() + Duration::from_millis(random.random_range(20..2_900));
        // By then, this invocation may have ended, and its successor may run.
        let _ = timeout_at(killed_at, function.invoke("run", request.clone(), LIFETIME)).await;
        sleep_until(killed_at).await;
        *fanout.lock().await = None;
        function.kill()?;
        endpoint.until_disconnected().await?;
        kills += u32::from(report(&server).is_none_or(|report| report.state == State::Running));
        server.clock.advance(LEASE);
    }
    // The last fanout and its successors are not killed.
    let last = start(LAST_LIFETIME)
        .await?
        .invoke("run", request, LAST_LIFETIME)
        .await?;
    last.map_err(|error| anyhow!("fanout failed: {error}"))?;
    let report = until_ended(&server).await?;
    check(&server, &report, options.images)?;
    Ok(Killed {
        report,
        kills,
        dead: Duration::ZERO,
    })
}

async fn lambda(seed: u64, processors: Arc<Processors>, fanout: Fanout) -> anyhow::Result<Endpoint> {
    let numbers = Arc::new(AtomicUsize::new(0));
    Endpoint::start(move |name, payload| {
        let (processors, fanout, numbers) = (processors.clone(), fanout.clone(), numbers.clone());
        async move {
            if name == "fanout" {
                let function = fanout.lock().await.clone();
                if let Some((function, lifetime)) = function {
                    // A kill ends the invocation, and an asynchronous invocation has no caller to report it to.
                    let _ = function.invoke("continued", payload, lifetime).await;
                }
                return Reply::Ok(Value::Null);
            }
            let number = numbers.fetch_add(1, Relaxed);
            process(seed, number, &processors, payload).await
        }
    })
    .await
}
