//! An S3 server with two buckets, and a processor that uses it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use local::dataset;
use local::s3::{Effect, Fault, Headers, Object, Server};
use processor::{App, Config, Error, handle};
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::s3::Timeouts;

use crate::gate::Gate;

/// A deadline that has passed, as the local emulator sends it.
const NO_DEADLINE: u64 = 0;

pub const DESTINATION: (&str, &str) = ("DESTINATION", "s3://photos-out/");

/// A sample event from `events/`.
pub fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Two sample photos with EXIF.
pub static PHOTOS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| (0..2).map(|index| dataset::photo(index).unwrap()).collect());

pub struct Cloud {
    pub server: Server,
    pub app: App,
    /// All requests of the app pass through this gate.
    pub gate: Gate,
}

impl Cloud {
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(variables, Timeouts::default(), |sdk| sdk).await
    }

    /// Starts a cloud with other time limits for requests to S3.
    pub async fn start_timed(timeouts: Timeouts) -> Self {
        Self::start_with(&[], timeouts, |sdk| sdk).await
    }

    /// Starts a cloud whose client hardly waits before it retries a request.
    pub async fn start_impatient(variables: &[(&str, &str)]) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(30)
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(20));
        Self::start_with(variables, Timeouts::default(), |sdk| {
            sdk.into_builder().retry_config(retries).build()
        })
        .await
    }

    async fn start_with(
        variables: &[(&str, &str)],
        timeouts: Timeouts,
        settings: impl FnOnce(SdkConfig) -> SdkConfig,
    ) -> Self {
        let server = Server::start(0).await.unwrap();
        server.store.create_bucket("photos");
        server.store.create_bucket("photos-out");
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let gate = Gate::default();
        let sdk = settings(server.sdk().await);
        let client = gate.client(sdk.http_client().unwrap());
        let sdk = sdk.into_builder().http_client(client).build();
        let mut config = Config::load(&lookup).unwrap();
        config.s3_timeouts = timeouts;
        let app = App::new(config, &sdk);
        Self { server, app, gate }
    }

    /// Puts an object of `len` bytes. The bytes behind its front are generated when they are read.
    pub fn put_long(&self, key: &str, front: impl Into<Vec<u8>>, len: u64) -> Value {
        self.load(key, Object::long(front.into().into(), len, Headers::default()))
    }

    /// Puts an object into the source. Gives the object as a chunk names it.
    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> Value {
        self.put_with(key, body, Headers::default())
    }

    pub fn put_with(&self, key: &str, body: impl Into<Vec<u8>>, headers: Headers) -> Value {
        self.load(key, Object::new(body.into().into(), headers))
    }

    fn load(&self, key: &str, object: Object) -> Value {
        let listed = json!({"key": key, "size": object.body.len(), "etag": object.etag});
        self.server.store.load("photos", key, object);
        listed
    }

    pub fn output(&self, key: &str) -> Option<Arc<Object>> {
        self.server.store.get("photos-out", key)
    }

    /// The JSON lines in one file of the destination.
    pub fn records(&self, key: &str) -> Vec<Value> {
        let file = self.output(key).unwrap_or_else(|| panic!("there is no {key}"));
        let body = file.body.bytes();
        let text = std::str::from_utf8(&body).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Injects a fault into requests of an operation for keys that contain a text.
    pub fn fault(&self, operation: &'static str, key: &str, effect: Effect, times: usize) {
        self.server.faults.add(Fault {
            operation,
            key_contains: key.to_owned(),
            effect,
            after: 0,
            times,
        });
    }

    pub async fn invoke(&self, event: Value) -> Result<Value, Error> {
        // Boxed, because the future is large and some tests run several of them at the same time.
        Box::pin(handle(&self.app, event, NO_DEADLINE)).await
    }

    /// Invokes with a chunk and a deadline after `time`. Runs `meanwhile` at the same time.
    pub async fn chunk_within<T>(
        &self,
        request: Value,
        time: Duration,
        meanwhile: impl Future<Output = T>,
    ) -> (ChunkResponse, T) {
        let deadline = (self.app.clock.since_epoch() + time).as_millis();
        let handled = Box::pin(handle(&self.app, request, u64::try_from(deadline).unwrap()));
        let (response, other) = tokio::join!(handled, meanwhile);
        (serde_json::from_value(response.unwrap()).unwrap(), other)
    }

    pub async fn chunk(&self, images: &str, objects: &[Value]) -> ChunkResponse {
        let response = self.invoke(chunk(images, objects)).await.unwrap();
        serde_json::from_value(response).unwrap()
    }
}

/// A chunk of `s3://photos/` for `s3://photos-out/`.
pub fn chunk(images: &str, objects: &[Value]) -> Value {
    json!({
        "job_id": "job",
        "chunk": 3,
        "attempt": "1-7",
        "source_bucket": "photos",
        "source_prefix": "",
        "destination": "s3://photos-out/",
        "images": images,
        "records": "ndjson",
        "concurrency": 8,
        "objects": objects,
    })
}

pub const RECORDS: &str = "records/job=job/3-1-7.ndjson";

/// A photo of a given length. It is longer than the front if `len` is.
pub fn photo(len: usize) -> Vec<u8> {
    let mut photo = PHOTOS[0].clone();
    photo.resize(len, 0x5A);
    photo
}
