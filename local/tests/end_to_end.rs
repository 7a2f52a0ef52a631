//! Runs both functions under the real `cargo lambda watch`, as a user does.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use local::dataset;
use local::demo::{self, Options, Outcome};
use local::emulator::Emulator;
use local::functions::Setup;
use local::s3::{Headers, Object, Server};
use local::tools;
use local::workspace::{self, Profile};
use serde_json::{Value, json};
use shared::protocol::job::State;
use tokio::process::Command;

/// The path of cargo-lambda, or `None` if it is missing and cannot be installed. In CI, this is an error.
async fn cargo_lambda() -> Option<PathBuf> {
    match tools::cargo_lambda().await {
        Ok(program) => Some(program),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error:#}"),
        Err(error) => {
            // Not `eprintln`: the test harness hides its output when the test passes.
            let message = format!("skipped: {error:#}\n");
            std::io::stderr().write_all(message.as_bytes()).unwrap();
            None
        }
    }
}

/// Runs a demo and checks its outcome. `None` without `cargo lambda`.
async fn demo_of(count: usize, transform: Option<u32>, strip: bool) -> Option<Outcome> {
    cargo_lambda().await?;
    let server = Server::start(0).await.unwrap();
    let options = Options {
        images: None,
        count,
        transform,
        strip,
        keep: false,
        dev: true,
    };
    let outcome = demo::run_on(&server, options).await.unwrap();
    assert!(outcome.checked.is_right(), "{:#?}", outcome.checked.problems);
    assert_eq!(
        (outcome.report.state, outcome.report.ok),
        (State::Completed, count as u64)
    );
    Some(outcome)
}

#[tokio::test]
async fn the_demo_finds_no_problems() {
    let Some(outcome) = demo_of(120, None, false).await else {
        return;
    };
    assert_eq!((outcome.checked.identical, outcome.checked.records), (120, 120));
    assert!(outcome.report.with_exif > 100, "{}", outcome.report.with_exif);
}

#[tokio::test]
async fn the_demo_makes_pictures() {
    let Some(outcome) = demo_of(60, Some(64), false).await else {
        return;
    };
    assert_eq!(outcome.checked.made.pictures, 60);
    assert!(outcome.checked.made.output_bytes < outcome.checked.made.source_bytes / 2);
}

#[tokio::test]
async fn the_demo_strips_images() {
    let Some(outcome) = demo_of(60, None, true).await else {
        return;
    };
    assert_eq!(outcome.checked.stripped, 60);
}

/// For each sample event: its function, its file, and a JSON pointer into the response with the expected value.
fn events() -> [(&'static str, &'static str, &'static str, Value); 21] {
    [
        ("processor", "s3-put.json", "/with_exif", json!(1)),
        ("processor", "s3-put-encoded-key.json", "/with_exif", json!(1)),
        ("processor", "s3-put-minimal.json", "/with_exif", json!(1)),
        ("processor", "s3-out-of-order.json", "/with_exif", json!(2)),
        ("processor", "s3-test.json", "/ok", json!(0)),
        ("processor", "eventbridge-object-created.json", "/with_exif", json!(1)),
        ("processor", "eventbridge-transformed.json", "/with_exif", json!(1)),
        ("processor", "sns.json", "/with_exif", json!(2)),
        ("processor", "sqs-s3.json", "/batchItemFailures", json!([])),
        ("processor", "sqs-eventbridge.json", "/batchItemFailures", json!([])),
        ("processor", "sqs-sns.json", "/batchItemFailures", json!([])),
        ("processor", "sqs-sns-fifo.json", "/batchItemFailures", json!([])),
        (
            "processor",
            "sqs-message-attributes.json",
            "/batchItemFailures",
            json!([]),
        ),
        (
            "processor",
            "s3-batch-1.0.json",
            "/results/0/resultCode",
            json!("Succeeded"),
        ),
        (
            "processor",
            "s3-batch-2.0.json",
            "/results/2/resultCode",
            json!("PermanentFailure"),
        ),
        ("processor", "step-functions-items.json", "/with_exif", json!(1)),
        ("processor", "step-functions-batch.json", "/with_exif", json!(3)),
        ("processor", "processor-chunk.json", "/with_exif", json!(2)),
        ("fanout", "fanout-plan.json", "/images", json!(3)),
        ("fanout", "fanout-run.json", "/with_exif", json!(3)),
        ("fanout", "fanout-status.json", "/ok", json!(3)),
    ]
}

#[tokio::test]
async fn every_sample_event_gets_the_expected_response() {
    let Some(cargo_lambda) = cargo_lambda().await else {
        return;
    };
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos-out");
    for (index, key) in ["IMG_00000.jpg", "IMG_00001.jpg", "été 2026/1+1 café.jpg"]
        .iter()
        .enumerate()
    {
        let photo = dataset::photo(index % 2).unwrap();
        server
            .store
            .load("photos", key, Object::new(photo.into(), Headers::default()));
    }
    workspace::build_functions(Profile::Dev).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let setup = Setup {
        cargo_lambda: &cargo_lambda,
        profile: Profile::Dev,
        processes: 1,
        environment: &[("DESTINATION", "s3://photos-out/".to_owned())],
        logs: scratch.path(),
    };
    let parameters = [("SourceBucket", "photos"), ("DestinationBucket", "photos-out")];
    let functions = setup.start(&server, &parameters).await.unwrap();

    let mut responses = Vec::new();
    for (function, event, pointer, expected) in events() {
        let emulator = if function == "fanout" {
            &functions.fanout
        } else {
            &functions.processor
        };
        let response = invoke(&cargo_lambda, emulator, function, event).await;
        responses.push((event, pointer, expected, response));
    }
    drop(functions);
    for (event, pointer, expected, response) in responses {
        assert_eq!(response.pointer(pointer), Some(&expected), "{event}: {response}");
    }
    let files = std::fs::read_dir(workspace::folder().join("events")).unwrap().count();
    assert_eq!(files, events().len(), "`events()` must list every file in events/");
    let copies = server.store.keys("photos-out", "images/");
    assert_eq!(
        copies,
        [
            "images/IMG_00000.jpg",
            "images/IMG_00001.jpg",
            "images/été 2026/1+1 café.jpg"
        ]
    );
}

/// Runs `cargo lambda invoke FUNCTION --data-file events/EVENT` on the emulator's port. Returns the response.
async fn invoke(cargo_lambda: &Path, emulator: &Emulator, function: &str, event: &str) -> Value {
    let output = Command::new(cargo_lambda)
        .current_dir(workspace::folder())
        .args(["lambda", "invoke", function, "--data-file", &format!("events/{event}")])
        .args(["--invoke-address", &emulator.address.ip().to_string()])
        .args(["--invoke-port", &emulator.address.port().to_string()])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{event}: {text} {error}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{event}: {text} {error}"))
}
