//! An S3 server, a Lambda endpoint that runs the processor, and fanout's settings for both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use aws_config::SdkConfig;
use fanout::{App, Config, Error, handle, invoke_client};
use local::lambda::{Endpoint, Reply};
use local::s3::{Headers, Object, Server, sdk};
use serde_json::{Value, json};
use shared::job::Report;

/// The smallest thing that is a JPEG: no image, but enough to have no EXIF in it.
pub const TINY: [u8; 6] = [0xFF, 0xD8, 0xFF, 0xDA, 0xFF, 0xD9];

/// A JPEG with the EXIF `Make`: a big-endian TIFF with one entry of four bytes.
pub const TINY_WITH_EXIF: &[u8] =
    b"\xFF\xD8\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0F\0\x02\0\0\0\x04abc\0\0\0\0\0\xFF\xDA";

pub struct Cloud {
    pub server: Arc<Server>,
    pub invocations: Arc<AtomicUsize>,
    app: App,
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
        let server = Arc::new(Server::start(0).await.unwrap());
        server.store.create_bucket("photos");
        server.store.create_bucket("photos-out");
        let app = Arc::new(processor::App {
            config: processor::Config::load(&|_| None).unwrap(),
            sdk: server.sdk().await,
        });
        let invocations = Arc::new(AtomicUsize::new(0));
        let counter = invocations.clone();
        let lambda = Endpoint::start(move |_, payload| {
            let number = counter.fetch_add(1, Relaxed) + 1;
            invoke(
                number,
                Processor {
                    app: app.clone(),
                    payload,
                },
            )
        })
        .await
        .unwrap();
        let lambda_sdk: SdkConfig = sdk(&lambda.url()).await;
        Self {
            app: App {
                config: Config::load(&|_| None).unwrap(),
                lambda: invoke_client(&lambda_sdk, Duration::from_secs(300)).unwrap(),
                sdk: server.sdk().await,
            },
            server,
            invocations,
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
        self.run_until(fields, 0).await
    }

    pub async fn run_until(&self, fields: Value, deadline_ms: u64) -> Result<Report, Error> {
        let mut request = json!({"source": "s3://photos/", "destination": "s3://photos-out/", "job_id": "job"});
        for (name, value) in fields.as_object().unwrap() {
            request[name] = value.clone();
        }
        handle(&self.app, request, "request-1".to_owned(), deadline_ms).await
    }

    /// How many records the job has of each key.
    pub fn records(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for file in self.server.store.keys("photos-out", "records/job=job/") {
            for line in self.text(&file).lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                *found.entry(record["key"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        found
    }

    pub fn text(&self, key: &str) -> String {
        let object = self
            .server
            .store
            .get("photos-out", key)
            .unwrap_or_else(|| panic!("no {key}"));
        String::from_utf8(object.body.to_vec()).unwrap()
    }

    /// The account is even, the same stands in `job.json`, and each `ok` image has one record.
    pub fn check(&self, report: &Report) {
        let sum = report.ignored + report.skipped + report.ok + report.failed + report.pending;
        assert_eq!(report.listed, sum, "{report:?}");
        let saved: Report = serde_json::from_str(&self.text("jobs/job/job.json")).unwrap();
        assert_eq!(&saved, report);
        let records = self.records();
        assert!(records.values().all(|&times| times == 1), "{records:?}");
        assert_eq!(records.len() as u64, report.ok);
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
            Err(error) => Reply::FunctionError(json!({"errorType": "Error", "errorMessage": error.to_string()})),
        }
    }
}
