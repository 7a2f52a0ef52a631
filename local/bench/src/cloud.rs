use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};
use tempfile::TempDir;
use tokio::time::sleep;

use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3::{Counted, Headers, Object, Server};
use local::workspace::{Profile, binary};

/// A source of counted keys, fanout as a separate process, and processors that do no work.
pub struct Cloud {
    pub server: Server,
    pub fanout: Arc<Function>,
    pub sent: Arc<SentKeys>,
    lifetime: Duration,
    scratch: TempDir,
    _lambda: Endpoint,
}

/// The keys that fanout sent: their number and the sum of their hashes. The sum shows whether each was sent once.
#[derive(Debug, Default)]
pub struct SentKeys {
    keys: AtomicU64,
    sum: AtomicU64,
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl SentKeys {
    /// Counts the keys of a chunk, and responds at once that all of them are `ok`.
    fn process(&self, payload: &Value) -> Reply {
        let objects = payload["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
        for object in objects {
            let key = object["key"].as_str().unwrap_or_default();
            self.sum.fetch_add(hash(key), Relaxed);
        }
        let count = objects.len() as u64;
        self.keys.fetch_add(count, Relaxed);
        Reply::Ok(json!({
            "job_id": payload["job_id"], "chunk": payload["chunk"], "attempt": payload["attempt"], "ok": count,
            "with_exif": count, "skipped": 0, "failed": [], "unprocessed": [], "requests": {"get": count, "put": 1},
            "throttled": 0, "bytes_read": 0, "bytes_written": 0, "elapsed_ms": 0, "cpu_ms": 0, "stages": {},
        }))
    }

    /// Whether each of the first `keys` keys was sent once.
    pub fn is_each_once(&self, keys: u64) -> bool {
        let sum = (0..keys).fold(0_u64, |sum, number| sum.wrapping_add(hash(&Counted::key(number))));
        self.keys.load(Relaxed) == keys && self.sum.load(Relaxed) == sum
    }
}

impl Cloud {
    /// Starts the servers and fanout. `lifetime` is the time of each invocation of fanout.
    pub async fn start(keys: u64, lifetime: Duration) -> anyhow::Result<Self> {
        let server = Server::start(0).await?;
        let object = Object::new(Bytes::from_static(b"photo").into(), Headers::default());
        let counted = Counted {
            count: keys,
            object: Arc::new(object),
        };
        server.store.create_counted("photos", counted);
        server.store.create_bucket("photos-out");
        let sent = Arc::<SentKeys>::default();
        let fanout: Arc<OnceLock<Arc<Function>>> = Arc::default();
        let lambda = {
            let (sent, fanout) = (sent.clone(), fanout.clone());
            Endpoint::start(move |name, payload| {
                let (sent, fanout) = (sent.clone(), fanout.clone());
                async move {
                    let (true, Some(function)) = (name == "fanout", fanout.get()) else {
                        return sent.process(&payload);
                    };
                    let id = format!("generation-{}", payload["generation"]);
                    match function.invoke(&id, payload, lifetime).await {
                        Ok(Ok(response)) => Reply::Ok(response),
                        Ok(Err(error)) => Reply::FunctionError(error),
                        Err(_) => Reply::Dropped,
                    }
                }
            })
            .await?
        };
        let scratch = tempfile::tempdir()?;
        let log = std::fs::File::create(scratch.path().join("fanout.log"))?;
        let mut environment = server.environment();
        environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
        let function = Arc::new(Function::start(&binary(Profile::Release, "fanout"), &environment, log).await?);
        // It cannot fail, because only this line sets it.
        let _ = fanout.set(function.clone());
        Ok(Self {
            server,
            fanout: function,
            sent,
            lifetime,
            scratch,
            _lambda: lambda,
        })
    }

    /// Invokes fanout for the whole source. `fields` are added to the request.
    pub async fn invoke(&self, fields: &Value) -> anyhow::Result<Value> {
        let mut request = json!({
            "source": "s3://photos/photos/", "destination": "s3://photos-out/", "job_id": "bench", "images": "none",
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        match self.fanout.invoke("bench", request, self.lifetime).await? {
            Ok(response) => Ok(response),
            Err(error) => bail!("fanout failed: {error}; its log:\n{}", self.log()),
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("fanout.log")).unwrap_or_default()
    }

    /// The current report of the job, if there is one.
    pub fn report(&self) -> Option<Report> {
        let file = self.server.store.get("photos-out", "jobs/bench/job.json")?;
        serde_json::from_slice(&file.body.bytes()).ok()
    }

    /// Waits until the job has ended, and returns its report. Calls `show` with each report until then.
    pub async fn until_ended(&self, show: impl Fn(&Report)) -> anyhow::Result<Report> {
        let (mut last, mut still) = (0, 0);
        loop {
            sleep(Duration::from_millis(200)).await;
            let Some(report) = self.report() else { continue };
            show(&report);
            if report.state != State::Running {
                return Ok(report);
            }
            still = if report.listed == last { still + 1 } else { 0 };
            last = report.listed;
            if still > 300 {
                bail!("the job listed no keys for a minute; fanout's log:\n{}", self.log());
            }
        }
    }
}
