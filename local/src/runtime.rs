//! One instance of a function, run as Lambda runs it: its own process, fed through the Runtime API
//! ("Using the Lambda runtime API" in the AWS Lambda Developer Guide). For what the emulator cannot
//! show: deadlines, kills, and what one process takes.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http_server::HttpServer;
use crate::process;

/// What the function is to do next.
struct Invocation {
    id: String,
    event: Value,
    deadline_ms: u128,
}

/// How an invocation ended: with a response, or with the error that the function reported.
type Outcome = Result<Value, Value>;

struct Api {
    /// When the function first asked for work: its initialisation is done.
    ready: watch::Sender<Option<Instant>>,
    next: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
}

/// A running instance. It ends when this is dropped.
pub struct Function {
    id: u32,
    started: Instant,
    /// Holds the process, and sees it end.
    watching: JoinHandle<()>,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Invocation>,
    _http: HttpServer,
}

impl Function {
    /// Starts `binary`; what it logs goes to `log`.
    pub async fn start(binary: &Path, environment: &[(&str, String)], log: File) -> anyhow::Result<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            ready: watch::Sender::default(),
            next: AsyncMutex::new(receiver),
            waiting: Mutex::default(),
        });
        let served = api.clone();
        let http = HttpServer::start(0, service_fn(move |request| respond(request, served.clone()))).await?;
        let name = binary.file_name().unwrap_or_default();
        let started = Instant::now();
        let mut child = Command::new(binary)
            .env("AWS_LAMBDA_RUNTIME_API", http.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", binary.display()))?;
        let id = child.id().context("the function ended at once")?;
        let ended = api.clone();
        let watching = tokio::spawn(async move {
            // Its exit status tells nothing that its log does not.
            let _ = child.wait().await;
            ended.waiting.lock().clear();
        });
        Ok(Self {
            id,
            started,
            watching,
            api,
            events,
            _http: http,
        })
    }

    /// Invokes it and waits for the response, however long that takes; `lifetime` is what it is told to
    /// have.
    pub async fn invoke(&self, id: &str, event: Value, lifetime: Duration) -> anyhow::Result<Outcome> {
        let (responded, response) = oneshot::channel();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.api.waiting.lock().insert(id.to_owned(), responded);
        let invocation = Invocation {
            id: id.to_owned(),
            event,
            deadline_ms: (now + lifetime).as_millis(),
        };
        if self.watching.is_finished() || self.events.send(invocation).is_err() {
            bail!("the function has ended");
        }
        response.await.context("the function ended without a response")
    }

    /// How long it took from the start of its process to its first request for work.
    pub async fn init_time(&self) -> anyhow::Result<Duration> {
        let mut ready = self.api.ready.subscribe();
        let ready = ready.wait_for(Option::is_some);
        let ready = timeout(Duration::from_secs(10), ready)
            .await
            .context("it asks for no work")??;
        let first = ready.context("it was waited for")?;
        Ok(first - self.started)
    }

    /// Ends it as Lambda ends a function whose time is up: at once. Its invocations stay without a response.
    pub fn kill(&self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::KILL)?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(self.id.cast_signed()).context("no process has number 0")
    }

    /// The most memory it has had, in bytes.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        process::peak_memory(self.id)
    }

    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        process::cpu_time(self.id)
    }

    /// Keeps its first thread, and what that starts from now on, to one core.
    pub fn keep_to_one_core(&self) -> anyhow::Result<()> {
        let allowed = sched_getaffinity(None)?;
        let core = (0..CpuSet::MAX_CPU).find(|&core| allowed.is_set(core));
        let mut one = CpuSet::new();
        one.set(core.context("no core is allowed")?);
        sched_setaffinity(Some(self.pid()?), &one)?;
        Ok(())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // Dropping the process kills it.
        self.watching.abort();
    }
}

async fn respond(request: Request<Incoming>, api: Arc<Api>) -> Result<Response<Full<Bytes>>, anyhow::Error> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
    match parts.as_slice() {
        ["invocation", "next"] => {
            api.ready.send_if_modified(|ready| {
                let is_first = ready.is_none();
                ready.get_or_insert_with(Instant::now);
                is_first
            });
            let invocation = api.next.lock().await.recv().await.context("no more invocations")?;
            Ok(Response::builder()
                .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
                .header("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms.to_string())
                .header(
                    "Lambda-Runtime-Invoked-Function-Arn",
                    "arn:aws:lambda:us-east-1:0:function:local",
                )
                .body(Full::from(invocation.event.to_string()))?)
        }
        ["invocation", id, how @ ("response" | "error")] => {
            let waiting = api.waiting.lock().remove(*id);
            let body = request.into_body().collect().await?.to_bytes();
            let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            if let Some(waiting) = waiting {
                // Whoever asked may have gone.
                let _ = waiting.send(if *how == "response" { Ok(value) } else { Err(value) });
            }
            Ok(Response::builder().status(StatusCode::ACCEPTED).body(Full::default())?)
        }
        _ => Ok(Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body(Full::default())?),
    }
}
