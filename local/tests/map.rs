//! The state machine of the template, run by an interpreter, against the real `cargo lambda watch`.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;

use local::dataset;
use local::emulator::Emulator;
use local::iam::Roles;
use local::s3::{ACCESS_KEY, Effect, Fault, Headers, Object, SECRET_KEY, Server};
use local::workspace::{self, Profile};
use local::{cloudformation, tools};
use serde_json::Value;

const IMAGES: usize = 450;
const BATCHES: usize = 3;

#[tokio::test]
async fn each_image_has_one_record_and_each_batch_one_file() {
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos-out");
    let photo = dataset::photo(0).unwrap();
    for number in 0..IMAGES {
        let photo = Object::new(photo.clone().into(), Headers::default());
        server.store.load("photos", &format!("{number:03}.jpg"), photo);
    }
    let fault = |key: &str, effect, times| Fault {
        operation: "GetObject",
        key_contains: key.to_owned(),
        effect,
        after: 0,
        times,
    };
    // One image fails for good, and one the first time, so that its batch is sent again.
    server
        .faults
        .add(fault("123.jpg", Effect::Status(403, Some("AccessDenied")), usize::MAX));
    server
        .faults
        .add(fault("234.jpg", Effect::Status(501, Some("NotImplemented")), 1));
    let cargo_lambda = tools::cargo_lambda().await.unwrap();
    workspace::build_functions(Profile::Dev).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let parameters = [
        ("SourceBucket", "photos"),
        ("DestinationBucket", "photos-out"),
        ("Workflow", "yes"),
    ];
    *server.roles.write() = Roles::of_template(&parameters).await.unwrap();
    let mut environment = server.environment_of("ProcessorRole");
    environment.push(("DESTINATION", "s3://photos-out/".to_owned()));
    environment.push(("SOURCE", "s3://photos/".to_owned()));
    let log = scratch.path().join("functions.log");
    let emulator = Emulator::start(&cargo_lambda, Profile::Dev, 2, &environment, &log)
        .await
        .unwrap();
    let endpoints = [server.endpoint(), emulator.endpoint()];
    let run = cloudformation::run_map(&endpoints[0], &endpoints[1], [ACCESS_KEY, SECRET_KEY], "run-1");
    let run: Value = run.await.unwrap();
    drop(emulator);

    assert_eq!(run["status"], "SUCCEEDED", "{run}");
    let outputs = run["outputs"].as_array().unwrap();
    let sum = |field: &str| {
        outputs
            .iter()
            .map(|output| output[field].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (outputs.len(), sum("ok"), sum("failed_count")),
        (BATCHES, IMAGES as u64 - 1, 1),
        "{run}"
    );
    let files = server.store.keys("photos-out", "records/job=run-1/");
    assert_eq!(files.len(), BATCHES);
    assert_eq!(recorded(&server, &files).len(), IMAGES - 1);
    let results = server.store.keys("photos-out", "jobs/map/");
    assert!(results.iter().any(|key| key.ends_with("manifest.json")), "{results:?}");
}

/// The keys of the records in these files. Each is there once.
fn recorded(server: &Server, files: &[String]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for file in files {
        let body = server.store.get("photos-out", file).unwrap().body.bytes();
        for line in body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_slice(line).unwrap();
            assert!(keys.insert(record["key"].to_string()), "{record} is there twice");
        }
    }
    keys
}
