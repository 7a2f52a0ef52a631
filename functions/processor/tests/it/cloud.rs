//! A server with two buckets, and the processor's settings for it.

use std::sync::{Arc, LazyLock};

use local::dataset;
use local::s3::{Headers, Object, Server};
use processor::{App, Config, Error, handle};
use serde_json::{Value, json};
use shared::chunk::ChunkResponse;

/// A deadline that has passed, as the local emulator sends it.
const NO_DEADLINE: u64 = 0;

/// A few sample photos with EXIF.
pub static PHOTOS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| (0..2).map(|index| dataset::photo(index).unwrap()).collect());

pub struct Cloud {
    pub server: Server,
    pub app: App,
}

impl Cloud {
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let server = Server::start(0).await.unwrap();
        server.store.create_bucket("photos");
        server.store.create_bucket("photos-out");
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let app = App {
            config: Config::load(&lookup).unwrap(),
            sdk: server.sdk().await,
        };
        Self { server, app }
    }

    /// Puts an object into the source; gives it as a chunk names it.
    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> Value {
        self.put_with(key, body, Headers::default())
    }

    pub fn put_with(&self, key: &str, body: impl Into<Vec<u8>>, headers: Headers) -> Value {
        let object = Object::new(body.into().into(), headers);
        let listed = json!({"key": key, "size": object.body.len(), "etag": object.etag});
        self.server.store.load("photos", key, object);
        listed
    }

    pub fn output(&self, key: &str) -> Option<Arc<Object>> {
        self.server.store.get("photos-out", key)
    }

    /// The records in one file of the destination.
    pub fn records(&self, key: &str) -> Vec<Value> {
        let file = self.output(key).unwrap_or_else(|| panic!("no {key}"));
        let text = std::str::from_utf8(&file.body).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn invoke(&self, event: Value) -> Result<Value, Error> {
        handle(&self.app, event, NO_DEADLINE).await
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
