//! The alarms of the template, with the log lines of real functions: each rings after a failing run, and none after a
//! healthy one.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use local::cloudformation::translated;
use local::dataset;
use local::lambda::{Endpoint, Reply};
use local::runtime::Function;
use local::s3::{Effect, Fault, Headers, Object, Server};
use local::workspace::{Profile, binary, build_functions};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const LIFETIME: Duration = Duration::from_mins(10);

/// The sums of the metrics in log lines, by metric and function.
type Sums = BTreeMap<(String, String), f64>;

/// Runs jobs and events, and returns the metrics that `CloudWatch` makes of the log lines. In a failing run, one image of
/// a job fails, all images of another job, and the image of an event.
async fn metrics(fails: bool) -> Sums {
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos-out");
    for number in 0..3 {
        let photo = Object::new(dataset::photo(number).unwrap().into(), Headers::default());
        server
            .store
            .load("photos", &format!("some/{number}.jpg"), photo.clone());
        server.store.load("photos", &format!("all/denied-{number}.jpg"), photo);
    }
    if fails {
        for key in ["some/1.jpg", "denied"] {
            server.faults.add(Fault {
                operation: "GetObject",
                key_contains: key.to_owned(),
                effect: Effect::Status(403, Some("AccessDenied")),
                after: 0,
                times: usize::MAX,
            });
        }
    }
    build_functions(Profile::Dev).await.unwrap();
    let logs = [NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap()];
    let processor = Arc::new(start("processor", "stack-Processor", server.environment(), &logs[0]).await);
    let invoked = processor.clone();
    let lambda = Endpoint::start(move |_, payload| {
        let processor = invoked.clone();
        async move {
            match processor.invoke("r", payload, LIFETIME).await.unwrap() {
                Ok(response) => Reply::Ok(response),
                Err(error) => Reply::FunctionError(error),
            }
        }
    });
    let lambda = lambda.await.unwrap();
    let mut environment = server.environment();
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", lambda.url()));
    let fanout = start("fanout", "stack-Fanout", environment, &logs[1]).await;
    for folder in ["some", "all"] {
        let job = json!({"source": format!("s3://photos/{folder}/"), "job_id": folder});
        fanout.invoke("f", job, LIFETIME).await.unwrap().unwrap();
    }
    let object = json!({"key": "some/1.jpg"});
    let event = json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}});
    processor.invoke("e", event, LIFETIME).await.unwrap().unwrap();
    let mut sums = Sums::new();
    for log in &logs {
        add(&mut sums, &fs::read_to_string(log.path()).unwrap());
    }
    sums
}

/// Starts a function that writes only its summaries, which no level leaves out.
async fn start(
    program: &str,
    function: &str,
    mut environment: Vec<(&'static str, String)>,
    log: &NamedTempFile,
) -> Function {
    environment.extend([
        ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
        ("AWS_LAMBDA_LOG_LEVEL", "FATAL".to_owned()),
        ("DESTINATION", "s3://photos-out/".to_owned()),
    ]);
    let (binary, log) = (binary(Profile::Dev, program), log.reopen().unwrap());
    Function::start(&binary, &environment, log).await.unwrap()
}

/// Adds the metrics of lines in the embedded metric format.
fn add(sums: &mut Sums, lines: &str) {
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            assert_eq!(directive["Namespace"], "s3-exif");
            assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                let function = line["FunctionName"].as_str().unwrap();
                *sums.entry((name.to_owned(), function.to_owned())).or_default() += line[name].as_f64().unwrap();
            }
        }
    }
}

#[tokio::test]
async fn alarms_ring_after_a_failing_run_and_not_after_a_healthy_one() {
    let parameters = [
        ("SourceBucket", "photos"),
        ("DestinationBucket", "photos-out"),
        ("AlarmEmail", "ops@example.com"),
    ];
    let stack = translated(&parameters).await.unwrap();
    let resources = stack["Resources"].as_object().unwrap();
    let (failing, healthy) = (metrics(true).await, metrics(false).await);
    let mut ours = 0;
    for (name, alarm) in resources {
        let alarm = &alarm["Properties"];
        if alarm["Namespace"] != "s3-exif" {
            continue;
        }
        ours += 1;
        assert_eq!(
            (&alarm["Statistic"], &alarm["ComparisonOperator"]),
            (&json!("Sum"), &json!("GreaterThanThreshold"))
        );
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let metric = (text(&alarm["MetricName"]), text(&alarm["Dimensions"][0]["Value"]));
        let rings = |sums: &Sums| {
            sums.get(&metric)
                .is_some_and(|sum| *sum > alarm["Threshold"].as_f64().unwrap())
        };
        assert!(rings(&failing), "{name} does not ring: {failing:?}");
        assert!(!rings(&healthy), "{name} rings: {healthy:?}");
    }
    assert_eq!(ours, 3);
    // What the dashboard shows exists.
    let dashboard = ["ImagesOk", "ImagesInFlight", "S3Reads", "S3Writes"];
    for name in dashboard {
        assert!(
            healthy.contains_key(&(name.to_owned(), "stack-Processor".to_owned())),
            "{name}: {healthy:?}"
        );
    }
}
