//! Runs the processor as Lambda does, as a separate process.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::Arc;
use std::time::Duration;

use local::dataset;
use local::runtime::Function;
use local::s3::{Effect, Fault, Headers, Object, Server};
use local::workspace::{Profile, binary, build_functions};
use serde_json::{Value, json};

/// Much longer than these tests take, even on a busy machine.
const LIFETIME: Duration = Duration::from_mins(10);

async fn processor(server: &Server, variables: &[(&'static str, &str)]) -> Function {
    build_functions(Profile::Dev).await.unwrap();
    let mut environment = server.environment();
    environment.extend(variables.iter().map(|&(name, value)| (name, value.to_owned())));
    let binary = binary(Profile::Dev, "processor");
    Function::start(&binary, &environment, tempfile::tempfile().unwrap())
        .await
        .unwrap()
}

async fn server() -> Server {
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos-out");
    for index in 0..2 {
        let photo = Object::new(dataset::photo(index).unwrap().into(), Headers::default());
        server.store.load("photos", &format!("{index}.jpg"), photo);
    }
    server
}

fn chunk(server: &Server, number: usize) -> Value {
    let key = format!("{number}.jpg");
    let object = server.store.get("photos", &key).unwrap();
    json!({
        "job_id": "job", "chunk": number, "attempt": "1-1", "source_bucket": "photos", "source_prefix": "",
        "destination": "s3://photos-out/", "images": "copy", "records": "ndjson", "concurrency": 4,
        "objects": [{"key": key, "size": object.body.len(), "etag": object.etag}],
    })
}

/// Leaves all requests of an operation for the first photo without a response.
fn hang(server: &Server, operation: &'static str) {
    server.faults.add(Fault {
        operation,
        key_contains: "0.jpg".to_owned(),
        effect: Effect::Hang,
        after: 0,
        times: usize::MAX,
    });
}

async fn until_one_hangs(server: &Server) {
    while server.faults.injected().hang == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn several_invocations_share_one_process() {
    let server = server().await;
    // The long time-out keeps the image from failing while the machine is busy.
    let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", "4"), ("IMAGE_TIMEOUT_SECONDS", "600")];
    let processor = Arc::new(processor(&server, &variables).await);
    // The first invocation keeps working as long as its requests get no response.
    hang(&server, "GetObject");
    let first = tokio::spawn({
        let (processor, chunk) = (processor.clone(), chunk(&server, 0));
        async move { processor.invoke("first", chunk, LIFETIME).await.unwrap() }
    });
    until_one_hangs(&server).await;
    let second = processor.invoke("second", chunk(&server, 1), LIFETIME).await.unwrap();
    assert_eq!(second.unwrap()["ok"], 1);
    assert!(!first.is_finished());
    // The SDK retries the request after its time-out, and the retry succeeds.
    server.faults.clear();
    assert_eq!(first.await.unwrap().unwrap()["ok"], 1);
}

#[tokio::test]
async fn a_killed_processor_leaves_no_commit() {
    let server = server().await;
    let processor = Arc::new(processor(&server, &[]).await);
    hang(&server, "CopyObject");
    let running = tokio::spawn({
        let (processor, chunk) = (processor.clone(), chunk(&server, 0));
        async move { processor.invoke("first", chunk, LIFETIME).await }
    });
    until_one_hangs(&server).await;
    processor.kill().unwrap();
    assert!(running.await.unwrap().is_err());
    assert_eq!(server.store.keys("photos-out", "records/"), [""; 0]);
}

#[tokio::test]
async fn a_process_ends_after_its_response_if_its_credentials_have_expired() {
    let server = server().await;
    let mut processor = processor(&server, &[]).await;
    server.faults.add(Fault {
        operation: "GetObject",
        key_contains: String::new(),
        effect: Effect::Status(400, Some("ExpiredToken")),
        after: 0,
        times: usize::MAX,
    });
    let error = processor
        .invoke("first", chunk(&server, 0), LIFETIME)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error["errorType"], "CredentialsExpired", "{error}");
    processor.ended().await.unwrap();
}
