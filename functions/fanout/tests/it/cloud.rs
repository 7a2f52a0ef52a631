//! A local S3 server, a Lambda endpoint that runs the processor, and the settings of fanout for both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use fanout::{App, Config, Error, Invocation, Response, RestartConfig, handle, invoke_client};
use lambda_runtime::Diagnostic;
use local::lambda::{Endpoint, Reply};
use local::s3::{Headers, Object, Server, sdk};
use local::scheduler::Scheduler;
use local::starts::Start;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::protocol::found::{Found, RecordLine};
use shared::protocol::job::{Report, State};

/// The time of each invocation of fanout, on the clock of the cloud.
pub const LIFETIME: Duration = Duration::from_mins(15);

/// The time from the start of an invocation until it starts nothing more, and until it waits for nothing more.
pub const UNTIL_LAST_START: Duration = Duration::from_secs(14 * 60 + 1);
pub const UNTIL_LAST_WAIT: Duration = Duration::from_secs(14 * 60 + 41);

/// Every lease ends within this.
pub const LEASE: Duration = Duration::from_secs(62);

/// The smallest file that is a JPEG. It has no image and no EXIF.
pub const TINY: [u8; 6] = [0xFF, 0xD8, 0xFF, 0xDA, 0xFF, 0xD9];

/// A JPEG with the EXIF `Make`: a big-endian TIFF with one entry of four bytes.
pub const TINY_WITH_EXIF: &[u8] =
    b"\xFF\xD8\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0F\0\x02\0\0\0\x04abc\0\0\0\0\0\xFF\xDA";

pub struct Cloud {
    pub server: Arc<Server>,
    /// Invocations of the processor.
    pub invocations: Arc<AtomicUsize>,
    pub app: Arc<App>,
    /// The clock of fanout and of S3. A test advances it when the job is in a certain state.
    pub clock: Clock,
    pub scheduler: Arc<Scheduler>,
    refuses_to_continue: Arc<AtomicBool>,
    _lambda: Endpoint,
}

impl Cloud {
    /// A cloud that runs the processor without changes.
    pub async fn start() -> Self {
        Self::with(async |_, processor: Processor| processor.run().await).await
    }

    /// A cloud with `invoke` between fanout and the processor. `invoke` gets the number of the invocation, from 1, and
    /// may run the processor or not.
    pub async fn with<F, R>(invoke: F) -> Self
    where
        F: Fn(usize, Processor) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        Self::with_timeouts(Timeouts::default(), invoke).await
    }

    pub async fn with_timeouts<F, R>(timeouts: Timeouts, invoke: F) -> Self
    where
        F: Fn(usize, Processor) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let server = Arc::new(Server::start(0).await.unwrap());
        server.store.create_bucket("photos");
        server.store.create_bucket("photos-out");
        let s3_timeouts = TimeoutConfig::builder().operation_attempt_timeout(timeouts.s3).build();
        let s3_sdk = server.sdk().await.into_builder().timeout_config(s3_timeouts).build();
        let config = processor::Config::load(&|_| None).unwrap();
        let processor = Arc::new(processor::App::new(config, &s3_sdk));
        let invocations = Arc::new(AtomicUsize::new(0));
        let clock = server.clock.clone();
        let fanout: Arc<OnceLock<Arc<App>>> = Arc::default();
        let refuses_to_continue = Arc::<AtomicBool>::default();
        let lambda = {
            let (fanout, invocations) = (fanout.clone(), invocations.clone());
            let (server, clock, refuses) = (server.clone(), clock.clone(), refuses_to_continue.clone());
            Endpoint::start(move |name, payload| {
                let processor = Processor {
                    app: processor.clone(),
                    server: server.clone(),
                    clock: clock.clone(),
                    payload,
                };
                let refuses = refuses.load(Relaxed);
                let (app, invocations, invoke) = (fanout.get().unwrap().clone(), invocations.clone(), invoke.clone());
                async move {
                    if name == "fanout" && refuses {
                        // So that fanout does not try again for minutes.
                        processor.clock.advance(Duration::from_secs(5));
                        return Reply::Rejected(403, "AccessDeniedException");
                    }
                    if name == "fanout" {
                        let response = handle(&app, processor.payload, &invocation("continued")).await;
                        return Reply::Ok(serde_json::to_value(response.unwrap()).unwrap());
                    }
                    invoke(invocations.fetch_add(1, Relaxed) + 1, processor).await
                }
            })
            .await
            .unwrap()
        };
        let lambda_sdk: SdkConfig = sdk(&lambda.url()).await;
        let scheduler = Arc::new(Scheduler::start().await.unwrap());
        let app = Arc::new(App {
            config: with_schedules(timeouts.invoke),
            lambda: invoke_client(&lambda_sdk).unwrap(),
            scheduler: aws_sdk_scheduler::Client::new(&sdk(&scheduler.url()).await),
            sdk: s3_sdk,
            clock: clock.clone(),
        });
        assert!(fanout.set(app.clone()).is_ok());
        Self {
            app,
            server,
            invocations,
            clock,
            scheduler,
            refuses_to_continue,
            _lambda: lambda,
        }
    }

    /// Whether Lambda refuses the invocations with which fanout hands a job over.
    pub fn refuse_to_continue(&self, refuse: bool) {
        self.refuses_to_continue.store(refuse, Relaxed);
    }

    pub fn put(&self, key: &str, body: &[u8]) {
        let object = Object::new(body.to_vec().into(), Headers::default());
        self.server.store.load("photos", key, object);
    }

    /// Puts `count` objects. Every tenth has EXIF.
    pub fn put_many(&self, count: usize) {
        for index in 0..count {
            let body = if index % 10 == 0 { TINY_WITH_EXIF } else { &TINY[..] };
            self.put(&format!("{index:05}.jpg"), body);
        }
    }

    pub fn put_out(&self, key: &str, body: impl Into<Vec<u8>>) {
        let object = Object::new(body.into().into(), Headers::default());
        self.server.store.load("photos-out", key, object);
    }

    /// Runs `job` over the whole source bucket, with these fields of the request.
    pub async fn run(&self, fields: Value) -> Result<Report, Error> {
        match self.response(fields).await? {
            Response::Report(report) => Ok(*report),
            Response::Estimate(estimate) => panic!("an estimate instead of a report: {estimate:?}"),
        }
    }

    pub async fn response(&self, fields: Value) -> Result<Response, Error> {
        let mut request = json!({"source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "job"});
        for (name, value) in fields.as_object().unwrap() {
            request[name] = value.clone();
        }
        handle(&self.app, request, &invocation("request-1")).await
    }

    /// Runs a job, and kills fanout when the cloud is in a certain state. Returns false if the job ended before.
    pub async fn kill_when(&self, fields: Value, state: impl FnMut(&Self) -> bool) -> bool {
        tokio::select! {
            biased;
            report = self.run(fields) => {
                report.unwrap();
                false
            }
            () = self.until(state) => true,
        }
    }

    /// Waits until the cloud is in a certain state. If this takes too long, the test fails and does not hang.
    pub async fn until(&self, mut state: impl FnMut(&Self) -> bool) {
        let reached = async {
            while !state(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let patience = Duration::from_mins(30);
        tokio::time::timeout(patience, reached)
            .await
            .expect("the cloud should reach the state");
    }

    /// Requests to S3 and to Lambda so far.
    pub fn requests(&self) -> u64 {
        self.server.served.totals().requests.to_s3() + self.invocations.load(Relaxed) as u64
    }

    /// The report of a job once it has ended, however many invocations that takes.
    pub async fn until_ended(&self, job_id: &str) -> Report {
        self.until(|cloud| {
            cloud
                .report(job_id)
                .is_some_and(|report| report.state != State::Running)
        })
        .await;
        self.until(|cloud| cloud.scheduler.count() == 0).await;
        self.report(job_id).unwrap()
    }

    /// The content of `job.json`.
    pub fn report(&self, job_id: &str) -> Option<Report> {
        let key = format!("jobs/{job_id}/job.json");
        self.server.store.get("photos-out", &key)?;
        Some(serde_json::from_str(&self.text(&key)).unwrap())
    }

    /// The content of `checkpoint.json`.
    pub fn checkpoint(&self, job_id: &str) -> Option<Value> {
        let key = format!("jobs/{job_id}/checkpoint.json");
        self.server.store.get("photos-out", &key)?;
        Some(serde_json::from_str(&self.text(&key)).unwrap())
    }

    /// How many records of each key a job has written.
    pub fn records(&self, job_id: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for line in self.lines(&format!("records/job={job_id}/")) {
            *found.entry(line["key"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        found
    }

    /// What the records of a job say, counted again.
    fn found(&self, job_id: &str) -> Found {
        let mut found = Found::default();
        for line in self.lines(&format!("records/job={job_id}/")) {
            found.add(&serde_json::from_value::<RecordLine>(line).unwrap().excerpt());
        }
        found
    }

    /// The failed keys that a job has written, with their classes.
    pub fn failed(&self, job_id: &str) -> Vec<(String, String)> {
        let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let lines = self.lines(&format!("jobs/{job_id}/failed/"));
        lines
            .iter()
            .map(|line| (field(line, "key"), field(line, "class")))
            .collect()
    }

    /// The JSON lines of all objects below a prefix of the destination.
    pub fn lines(&self, prefix: &str) -> Vec<Value> {
        let files = self.server.store.keys("photos-out", prefix);
        let texts = files.iter().map(|file| self.text(file));
        texts
            .flat_map(|text| {
                text.lines()
                    .filter(|line| !line.is_empty())
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    pub fn text(&self, key: &str) -> String {
        let object = self
            .server
            .store
            .get("photos-out", key)
            .unwrap_or_else(|| panic!("no {key}"));
        String::from_utf8(object.body.bytes().to_vec()).unwrap()
    }

    /// Starts fanout, and kills it when the cloud is in a certain state. Returns false if it ended before.
    pub async fn kill_start_when(&self, start: &Start, state: impl FnMut(&Self) -> bool) -> bool {
        let invocation = invocation(&start.request_id);
        tokio::select! {
            biased;
            response = handle(&self.app, start.event.clone(), &invocation) => {
                response.unwrap();
                false
            }
            () = self.until(state) => true,
        }
    }

    /// Checks that the counts add up, that the records say what was found, that `job.json` has the same report, that each `ok` image has one record, and
    /// that each failed key is in a file.
    pub fn check(&self, report: &Report) {
        self.check_counts(report);
        let found = self.found(&report.job_id);
        let images: u64 = report.series.points.iter().map(|point| point.images).sum();
        assert_eq!(images, report.ok + report.failed, "{report:?}");
        if !found.is_empty() {
            assert_eq!((&report.found, report.found.images()), (&found, report.ok));
        }
    }

    /// The same, without what was found: an older fanout has not counted that.
    pub fn check_counts(&self, report: &Report) {
        let sum = report.ignored + report.skipped + report.ok + report.failed + report.pending;
        assert_eq!(report.listed, sum, "{report:?}");
        if report.state == State::Completed {
            assert_eq!(report.pending, 0, "{report:?}");
        }
        if report.state != State::Running {
            assert_eq!(self.scheduler.count(), 0, "{report:?} {:?}", self.scheduler);
        }
        assert_eq!(self.report(&report.job_id).as_ref(), Some(report));
        let records = self.records(&report.job_id);
        assert!(records.values().all(|&times| times == 1), "{records:?}");
        assert_eq!(records.len() as u64, report.ok);
        assert_eq!(report.ignored_by.values().sum::<u64>(), report.ignored);
        let failed = self.failed(&report.job_id);
        let distinct: BTreeSet<&String> = failed.iter().map(|(key, _)| key).collect();
        assert_eq!((failed.len() as u64, distinct.len()), (report.failed, failed.len()));
        assert!(distinct.iter().all(|key| !records.contains_key(*key)));
    }

    /// Does the same checks, and checks that the job has processed every image of the source: each key has a record or
    /// is in a file of failed keys.
    pub fn check_all(&self, report: &Report) {
        self.check(report);
        self.check_keys(report);
    }

    /// Checks that each key of the source has an outcome.
    pub fn check_keys(&self, report: &Report) {
        assert_eq!(report.state, State::Completed, "{report:?}");
        let mut keys: Vec<String> = self.records(&report.job_id).into_keys().collect();
        keys.extend(self.failed(&report.job_id).into_iter().map(|(key, _)| key));
        keys.sort();
        let mut source = self.server.store.keys("photos", "");
        source.retain(|key| !key.contains(".txt"));
        assert_eq!(keys, source);
    }
}

/// The settings of fanout, with schedules.
fn with_schedules(invoke_timeout: Duration) -> Config {
    let config = Config::load(&|_| None).unwrap();
    assert_eq!(config.timeout, LIFETIME);
    let restarts = RestartConfig {
        group: "jobs".to_owned(),
        role_arn: "arn:aws:iam::0:role/restarts".to_owned(),
    };
    Config {
        invoke_timeout,
        restarts: Some(restarts),
        ..config
    }
}

/// An invocation of fanout without a deadline.
pub fn invocation(request_id: &str) -> Invocation {
    Invocation {
        request_id: request_id.to_owned(),
        deadline_ms: 0,
        function_arn: "arn:aws:lambda:us-east-1:0:function:fanout".to_owned(),
    }
}

/// How long requests may take.
pub struct Timeouts {
    /// Of an invocation of the processor, on the clock of the cloud.
    pub invoke: Duration,
    /// Of a request to S3 before it is sent again, in real time.
    pub s3: Duration,
}

impl Default for Timeouts {
    /// Longer than any test advances the clock.
    fn default() -> Self {
        Self {
            invoke: Duration::from_hours(24),
            s3: Duration::from_secs(180),
        }
    }
}

/// One invocation of the processor.
#[derive(Clone)]
pub struct Processor {
    app: Arc<processor::App>,
    pub server: Arc<Server>,
    pub clock: Clock,
    pub payload: Value,
}

impl Processor {
    /// Runs it as Lambda would.
    pub async fn run(self) -> Reply {
        match processor::handle(&self.app, self.payload, 0).await {
            Ok(response) => Reply::Ok(response),
            Err(error) => {
                let Diagnostic {
                    error_type,
                    error_message,
                } = error.into();
                Reply::FunctionError(json!({"errorType": error_type, "errorMessage": error_message}))
            }
        }
    }

    /// Waits until fanout has given this attempt up.
    pub async fn until_given_up(&self) {
        let (chunk, attempt) = (&self.payload["chunk"], self.payload["attempt"].as_str().unwrap());
        let key = format!(
            "records/job={}/{chunk}-{attempt}.ndjson",
            self.payload["job_id"].as_str().unwrap()
        );
        while self.server.store.get("photos-out", &key).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Whether the chunk has this key.
    pub fn holds(&self, key: &str) -> bool {
        let objects = self.payload["objects"].as_array().unwrap();
        objects.iter().any(|object| object["key"] == key)
    }
}

/// A gate where invocations wait until a test opens it.
#[derive(Clone, Debug)]
pub struct Gate(tokio::sync::watch::Sender<bool>);

impl Gate {
    pub fn closed() -> Self {
        Self(tokio::sync::watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub async fn pass(&self) {
        self.0.subscribe().wait_for(|is_open| *is_open).await.unwrap();
    }
}
