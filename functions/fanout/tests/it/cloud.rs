//! An S3 server, a Lambda endpoint that runs the processor, and fanout's settings for both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use fanout::{Answer, App, Config, Error, handle, invoke_client};
use lambda_runtime::Diagnostic;
use local::lambda::{Endpoint, Reply};
use local::s3::{Headers, Object, Server, sdk};
use serde_json::{Value, json};
use shared::job::{Report, State};

/// The smallest thing that is a JPEG: no image, but enough to have no EXIF in it.
pub const TINY: [u8; 6] = [0xFF, 0xD8, 0xFF, 0xDA, 0xFF, 0xD9];

/// A JPEG with the EXIF `Make`: a big-endian TIFF with one entry of four bytes.
pub const TINY_WITH_EXIF: &[u8] =
    b"\xFF\xD8\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0F\0\x02\0\0\0\x04abc\0\0\0\0\0\xFF\xDA";

pub struct Cloud {
    pub server: Arc<Server>,
    /// Invocations of the processor.
    pub invocations: Arc<AtomicUsize>,
    pub app: Arc<App>,
    /// What each invocation of fanout may take, in milliseconds; 0 for as long as it likes.
    pub lifetime_ms: Arc<AtomicU64>,
    _lambda: Endpoint,
}

impl Cloud {
    /// The processor as it is.
    pub async fn start() -> Self {
        Self::with(async |_, processor: Processor| processor.run().await).await
    }

    /// `invoke` stands between fanout and the processor: it is told the number of the invocation, from
    /// 1, and may run the processor or not.
    pub async fn with<F, R>(invoke: F) -> Self
    where
        F: Fn(usize, Processor) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        Self::with_timeout(Duration::from_secs(180), invoke).await
    }

    /// The same, with a time after which an invocation counts as lost, and a request to S3 is sent again.
    pub async fn with_timeout<F, R>(timeout: Duration, invoke: F) -> Self
    where
        F: Fn(usize, Processor) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let server = Arc::new(Server::start(0).await.unwrap());
        server.store.create_bucket("photos");
        server.store.create_bucket("photos-out");
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(timeout).build();
        let s3_sdk = server.sdk().await.into_builder().timeout_config(timeouts).build();
        let config = processor::Config::load(&|_| None).unwrap();
        let processor = Arc::new(processor::App::new(config, s3_sdk.clone()));
        let invocations = Arc::new(AtomicUsize::new(0));
        let lifetime_ms = Arc::new(AtomicU64::new(0));
        let fanout: Arc<OnceLock<Arc<App>>> = Arc::default();
        let lambda = {
            let (fanout, invocations, lifetime_ms) = (fanout.clone(), invocations.clone(), lifetime_ms.clone());
            Endpoint::start(move |name, payload| {
                let (app, lifetime_ms) = (fanout.get().unwrap().clone(), lifetime_ms.load(Relaxed));
                let processor = Processor {
                    app: processor.clone(),
                    payload,
                };
                let (invocations, invoke) = (invocations.clone(), invoke.clone());
                async move {
                    if name == "fanout" {
                        let answer = handle(&app, processor.payload, "continued", deadline_ms(lifetime_ms)).await;
                        return Reply::Ok(serde_json::to_value(answer.unwrap()).unwrap());
                    }
                    invoke(invocations.fetch_add(1, Relaxed) + 1, processor).await
                }
            })
            .await
            .unwrap()
        };
        let lambda_sdk: SdkConfig = sdk(&lambda.url()).await;
        let app = Arc::new(App {
            config: Config::load(&|_| None).unwrap(),
            lambda: invoke_client(&lambda_sdk, timeout).unwrap(),
            sdk: s3_sdk,
        });
        assert!(fanout.set(app.clone()).is_ok());
        Self {
            app,
            server,
            invocations,
            lifetime_ms,
            _lambda: lambda,
        }
    }

    pub fn put(&self, key: &str, body: &[u8]) {
        let object = Object::new(body.to_vec().into(), Headers::default());
        self.server.store.load("photos", key, object);
    }

    /// Objects named so that every tenth has EXIF.
    pub fn put_many(&self, count: usize) {
        for index in 0..count {
            let body = if index % 10 == 0 { TINY_WITH_EXIF } else { &TINY[..] };
            self.put(&format!("{index:05}.jpg"), body);
        }
    }

    /// Runs `job` over all of the source bucket, with some fields of the request set.
    pub async fn run(&self, fields: Value) -> Result<Report, Error> {
        let answer = self.answer(fields).await?;
        match answer {
            Answer::Report(report) => Ok(*report),
            Answer::Estimate(estimate) => panic!("an estimate: {estimate:?}"),
        }
    }

    pub async fn answer(&self, fields: Value) -> Result<Answer, Error> {
        let mut request = json!({"source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "job"});
        for (name, value) in fields.as_object().unwrap() {
            request[name] = value.clone();
        }
        let deadline_ms = deadline_ms(self.lifetime_ms.load(Relaxed));
        handle(&self.app, request, "request-1", deadline_ms).await
    }

    /// The report of a job once it has ended, however many invocations that takes.
    pub async fn until_ended(&self, job_id: &str) -> Report {
        for _ in 0..600 {
            let report: Report = serde_json::from_str(&self.text(&format!("jobs/{job_id}/job.json"))).unwrap();
            if report.state != State::Running {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("job {job_id} does not end");
    }

    /// How many records a job has of each key.
    pub fn records(&self, job_id: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for line in self.lines(&format!("records/job={job_id}/")) {
            *found.entry(line["key"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        found
    }

    /// The keys that a job has written down as failed, with their classes.
    pub fn failed(&self, job_id: &str) -> Vec<(String, String)> {
        let of = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let lines = self.lines(&format!("jobs/{job_id}/failed/"));
        lines.iter().map(|line| (of(line, "key"), of(line, "class"))).collect()
    }

    /// The JSON lines of all objects below a prefix of the destination.
    fn lines(&self, prefix: &str) -> Vec<Value> {
        let files = self.server.store.keys("photos-out", prefix);
        let texts = files.iter().map(|file| self.text(file));
        texts
            .flat_map(|text| {
                text.lines()
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

    /// The account is even, the same stands in `job.json`, each `ok` image has one record, and each
    /// failed one is written down.
    pub fn check(&self, report: &Report) {
        let sum = report.ignored + report.skipped + report.ok + report.failed + report.pending;
        assert_eq!(report.listed, sum, "{report:?}");
        if report.state == State::Completed {
            assert_eq!(report.pending, 0, "{report:?}");
        }
        let saved: Report = serde_json::from_str(&self.text(&format!("jobs/{}/job.json", report.job_id))).unwrap();
        assert_eq!(&saved, report);
        let records = self.records(&report.job_id);
        assert!(records.values().all(|&times| times == 1), "{records:?}");
        assert_eq!(records.len() as u64, report.ok);
        let failed = self.failed(&report.job_id);
        let distinct: BTreeSet<&String> = failed.iter().map(|(key, _)| key).collect();
        assert_eq!((failed.len() as u64, distinct.len()), (report.failed, failed.len()));
        assert!(distinct.iter().all(|key| !records.contains_key(*key)));
    }

    /// The same of a job that has settled every image of the source: the keys with a record and the
    /// failed ones are together those that were listed.
    pub fn check_all(&self, report: &Report) {
        self.check(report);
        assert_eq!(report.state, State::Completed, "{report:?}");
        let mut keys: Vec<String> = self.records(&report.job_id).into_keys().collect();
        keys.extend(self.failed(&report.job_id).into_iter().map(|(key, _)| key));
        keys.sort();
        let mut source = self.server.store.keys("photos", "");
        source.retain(|key| !key.contains(".txt"));
        assert_eq!(keys, source);
    }
}

/// The end of an invocation that starts now; 0 for none.
fn deadline_ms(lifetime_ms: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    if lifetime_ms == 0 {
        0
    } else {
        u64::try_from(now.as_millis()).unwrap() + lifetime_ms
    }
}

/// One invocation of the processor.
#[derive(Clone)]
pub struct Processor {
    app: Arc<processor::App>,
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
}
