//! The log lines of a function that runs as a process, as on Lambda.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs;
use std::time::Duration;

use local::dataset;
use local::runtime::Function;
use local::s3::{Headers, Object, Server};
use local::workspace::{Profile, binary, build_functions};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const LIFETIME: Duration = Duration::from_mins(10);

/// Invokes processor with a chunk, an event of an object that does not exist and an event that nobody knows. Returns its
/// log lines.
async fn lines(level: &str) -> Vec<Value> {
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos-out");
    let photo = Object::new(dataset::photo(0).unwrap().into(), Headers::default());
    server.store.load("photos", "0.jpg", photo);
    build_functions(Profile::Dev).await.unwrap();
    let mut environment = server.environment();
    environment.extend([
        ("AWS_LAMBDA_LOG_LEVEL", level.to_owned()),
        ("DESTINATION", "s3://photos-out/".to_owned()),
    ]);
    let log = NamedTempFile::new().unwrap();
    let binary = binary(Profile::Dev, "processor");
    let processor = Function::start(&binary, &environment, log.reopen().unwrap())
        .await
        .unwrap();
    let chunk = json!({
        "job_id": "job-1", "chunk": 0, "attempt": "1-1", "source_bucket": "photos", "source_prefix": "",
        "destination": "s3://photos-out/", "images": "copy", "records": "ndjson", "concurrency": 4,
        "objects": [{"key": "0.jpg"}],
    });
    processor.invoke("r-chunk", chunk, LIFETIME).await.unwrap().unwrap();
    let object = json!({"key": format!("{}.jpg", "gone".repeat(200))});
    let event = json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}});
    processor.invoke("r-event", event, LIFETIME).await.unwrap().unwrap();
    let unknown = json!({"what": 1});
    processor
        .invoke("r-unknown", unknown, LIFETIME)
        .await
        .unwrap()
        .unwrap_err();
    let log = fs::read_to_string(log.path()).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    let messages = lines.iter().map(|line| line["message"].as_str().unwrap());
    messages
        .map(|message| message.split(", error_message").next().unwrap())
        .collect()
}

fn metrics(line: &Value) -> Vec<&str> {
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
    metrics.iter().map(|metric| metric["Name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_line_says_when_how_bad_and_for_whom() {
    let lines = lines("INFO").await;
    assert_eq!(
        messages(&lines),
        [
            "chunk processed",
            "object failed",
            "event processed",
            "the invocation failed"
        ]
    );
    for (line, (level, request)) in lines.iter().zip([
        ("INFO", "r-chunk"),
        ("WARN", "r-event"),
        ("INFO", "r-event"),
        ("ERROR", "r-unknown"),
    ]) {
        assert!(
            OffsetDateTime::parse(line["timestamp"].as_str().unwrap(), &Rfc3339).is_ok(),
            "{line}"
        );
        assert_eq!(
            (&line["level"], &line["span"]["requestId"]),
            (&json!(level), &json!(request))
        );
    }
    assert_eq!(lines[0]["span"]["job_id"], "job-1");
    assert_eq!(
        (&lines[0]["FunctionName"], &lines[0]["ImagesOk"]),
        (&json!("processor"), &json!(1))
    );
    assert!(!metrics(&lines[0]).contains(&"ImagesFailed"), "{}", lines[0]);
    assert_eq!(lines[1]["key"].as_str().unwrap().len(), 300);
    assert_eq!(lines[2]["ImagesFailed.not_found"], 1);
    assert!(metrics(&lines[2]).contains(&"ImagesFailed.not_found"), "{}", lines[2]);
}

#[tokio::test]
async fn summaries_are_written_at_every_level() {
    let lines = lines("FATAL").await;
    assert_eq!(
        messages(&lines),
        ["chunk processed", "event processed", "the invocation failed"]
    );
    assert_eq!(
        (&lines[0]["level"], &lines[2]["level"]),
        (&json!("FATAL"), &json!("ERROR"))
    );
}
