//! One instance of a function, run as Lambda runs it: in its own process, which gets its invocations from the Runtime
//! API ("Using the Lambda runtime API" in the AWS Lambda Developer Guide). Tests use it for what the emulator cannot
//! show: deadlines, kills, and the memory and CPU time of one process.

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
use rustix::thread::sched_setaffinity;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http_server::HttpServer;
use crate::process;

/// One invocation that the function has not received yet.
struct Invocation {
    id: String,
    event: Value,
    deadline_ms: u128,
}

/// How an invocation ended: with a response, or with the error that the function reported.
type Outcome = Result<Value, Value>;

struct Api {
    /// When the function first asked for an invocation, which means that its initialisation was done.
    ready: watch::Sender<Option<Instant>>,
    next: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    /// `None` when the process has ended.
    waiting: Mutex<Option<HashMap<String, oneshot::Sender<Outcome>>>>,
}

/// A running instance. Dropping it kills the process.
pub struct Function {
    id: u32,
    started: Instant,
    /// Owns the process, and finishes when the process ends.
    watching: JoinHandle<()>,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Invocation>,
    _http: HttpServer,
}

impl Function {
    /// Starts `binary` and writes its output to `log`.
    pub async fn start(binary: &Path, environment: &[(&str, String)], log: File) -> anyhow::Result<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            ready: watch::Sender::default(),
            next: AsyncMutex::new(receiver),
            waiting: Mutex::new(Some(HashMap::new())),
        });
        let served = api.clone();
        let http = HttpServer::start(0, None, service_fn(move |request| respond(request, served.clone()))).await?;
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
        let id = child.id().context("the function ended right after its start")?;
        let ended = api.clone();
        let watching = tokio::spawn(async move {
            // The log says why it ended, so the exit status adds nothing.
            let _ = child.wait().await;
            *ended.waiting.lock() = None;
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

    /// Invokes the function and waits for the response without a limit. `lifetime` only sets the deadline that the
    /// function is given.
    pub async fn invoke(&self, id: &str, event: Value, lifetime: Duration) -> anyhow::Result<Outcome> {
        let (responded, response) = oneshot::channel();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let invocation = Invocation {
            id: id.to_owned(),
            event,
            deadline_ms: (now + lifetime).as_millis(),
        };
        match self.api.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(id.to_owned(), responded),
            None => bail!("the function has ended"),
        };
        self.events.send(invocation).context("the function has ended")?;
        response.await.context("the function ended without a response")
    }

    /// The time from the start of the process to its first request for an invocation. Fails after 10 seconds without
    /// such a request.
    pub async fn init_time(&self) -> anyhow::Result<Duration> {
        let mut ready = self.api.ready.subscribe();
        let ready = ready.wait_for(Option::is_some);
        let ready = timeout(Duration::from_secs(10), ready)
            .await
            .context("the function did not ask for an invocation within 10 s")??;
        let first = ready.context("the time of the first request is missing")?;
        Ok(first - self.started)
    }

    /// Kills the process at once, as Lambda does when the time of a function is up. Its invocations get no response.
    pub fn kill(&self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::KILL)?;
        Ok(())
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        Ok((&mut self.watching).await?)
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(self.id.cast_signed()).context("0 is not a process id")
    }

    /// The peak memory of the process, in bytes.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        process::peak_memory(self.id)
    }

    /// Of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        process::cpu_time(self.id)
    }

    /// Restricts the first thread, and all threads that it starts from now on, to one core.
    pub fn keep_to_one_core(&self) -> anyhow::Result<()> {
        sched_setaffinity(Some(self.pid()?), &process::one_core()?)?;
        Ok(())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // This drops the child process, and `kill_on_drop` kills it.
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
            let invocation = api.next.lock().await.recv().await.context("the instance was dropped")?;
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
            let waiting = api.waiting.lock().as_mut().and_then(|waiting| waiting.remove(*id));
            let body = request.into_body().collect().await?.to_bytes();
            let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            if let Some(waiting) = waiting {
                // The caller may have stopped waiting.
                let _ = waiting.send(if *how == "response" { Ok(value) } else { Err(value) });
            }
            Ok(Response::builder().status(StatusCode::ACCEPTED).body(Full::default())?)
        }
        _ => Ok(Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body(Full::default())?),
    }
}
