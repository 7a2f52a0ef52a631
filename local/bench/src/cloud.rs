use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use crate::occupancy::Occupancy;
use crate::tls::Certificate;
use local::connections::Connections;
use local::http_server::HttpServer;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3::{self, Counted, Headers, Object, Server};
use local::workspace::{Profile, binary};

/// A source of counted keys, fanout as a separate process, and processors that do no work.
pub struct Cloud {
    pub server: Server,
    pub fanout: Arc<Function>,
    pub sent: Arc<SentKeys>,
    lifetime: Duration,
    scratch: TempDir,
    s3: HttpServer,
    lambda: Endpoint,
    _certificate: Option<Certificate>,
}

/// What a cloud has.
pub struct Setup {
    /// Keys in the source.
    pub keys: u64,
    /// The time of each invocation of fanout.
    pub lifetime: Duration,
    pub program: PathBuf,
    /// What the processors do. `None`: they respond at once.
    pub work: Option<Work>,
    /// Whether fanout uses TLS for all its requests.
    pub over_tls: bool,
}

impl Setup {
    pub fn new(keys: u64) -> Self {
        Self {
            keys,
            lifetime: Duration::from_mins(15),
            program: binary(Profile::Release, "fanout"),
            work: None,
            over_tls: false,
        }
    }
}

/// How long a processor takes.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// For a chunk with `chunk_keys` keys. A sixth of it does not depend on the number of keys.
    pub mean: Duration,
    pub chunk_keys: usize,
}

impl Work {
    /// Draws the time of a chunk: the same for each run of the same chunk.
    fn time(&self, chunk: u64, keys: usize) -> Duration {
        let factor = ChaCha8Rng::seed_from_u64(chunk).random_range(0.5..1.5);
        let share = 1.0 / 6.0 + 5.0 / 6.0 * keys as f64 / self.chunk_keys as f64;
        self.mean.mul_f64(factor * share)
    }
}

/// The keys that fanout sent: their number and the sum of their hashes. The sum shows whether each was sent once.
#[derive(Debug, Default)]
pub struct SentKeys {
    keys: AtomicU64,
    sum: AtomicU64,
    pub occupancy: Occupancy,
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl SentKeys {
    /// Counts the keys of a chunk, works, and responds that all of them are `ok`.
    async fn process(&self, payload: &Value, work: Option<Work>) -> Reply {
        let Some(work) = work else { return self.respond(payload) };
        let keys = payload["objects"].as_array().map_or(0, Vec::len);
        let time = work.time(payload["chunk"].as_u64().unwrap_or_default(), keys);
        self.occupancy
            .during(async {
                let until = Instant::now() + time;
                let reply = self.respond(payload);
                sleep_until(until).await;
                reply
            })
            .await
    }

    fn respond(&self, payload: &Value) -> Reply {
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
    /// Starts the servers and fanout.
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let Setup {
            keys,
            lifetime,
            program,
            work,
            over_tls,
        } = setup;
        let certificate = over_tls.then(Certificate::new).transpose()?;
        let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
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
            let (sent, fanout, generations) = (sent.clone(), fanout.clone(), Arc::<AtomicU64>::default());
            Endpoint::start_with(tls.clone(), move |name, payload| {
                let (sent, fanout, generations) = (sent.clone(), fanout.clone(), generations.clone());
                async move {
                    let (true, Some(function)) = (name == "fanout", fanout.get()) else {
                        return sent.process(&payload, work).await;
                    };
                    let id = generations.fetch_add(1, Relaxed).to_string();
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
        let s3 = server.another_endpoint(tls).await?;
        let mut environment = s3::environment(&s3.url());
        if let Some(certificate) = &certificate {
            environment.extend(certificate.trust()?);
        }
        environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
        let function = Arc::new(Function::start(&program, &environment, log).await?);
        // It cannot fail, because only this line sets it.
        let _ = fanout.set(function.clone());
        Ok(Self {
            server,
            fanout: function,
            sent,
            lifetime,
            scratch,
            s3,
            lambda,
            _certificate: certificate,
        })
    }

    /// The connections that fanout has opened, to S3 and to Lambda.
    pub fn connections(&self) -> (Connections, Connections) {
        (self.s3.connections(), self.lambda.connections())
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

    /// The bytes of the largest checkpoint until the job has ended, looked at every 10 ms.
    pub async fn largest_checkpoint(&self) -> anyhow::Result<u64> {
        let mut largest = 0;
        while self.report().is_none_or(|report| report.state == State::Running) {
            let checkpoint = self.server.store.get("photos-out", "jobs/bench/checkpoint.json");
            largest = largest.max(checkpoint.map_or(0, |checkpoint| checkpoint.body.len()));
            sleep(Duration::from_millis(10)).await;
        }
        Ok(largest)
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
