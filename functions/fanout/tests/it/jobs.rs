//! Jobs that end in one invocation of fanout.

use std::time::Duration;

use local::lambda::Reply;
use local::s3::{Headers, Latency, Object};
use serde_json::{Value, json};
use shared::protocol::failure::FailureClass;
use shared::protocol::job::State;

use crate::cloud::{Cloud, Processor, TINY, TINY_WITH_EXIF};

#[tokio::test]
async fn every_page_is_processed_and_counted() {
    let cloud = Cloud::start().await;
    cloud.put_many(1_200);
    cloud.put("notes.txt", b"no image");
    cloud.put("empty.jpg", b"");
    let report = cloud.run(json!({"chunk_keys": 200})).await.unwrap();
    assert_eq!((report.state, report.pending), (State::Completed, 0), "{report:?}");
    assert_eq!((report.listed, report.ignored, report.ok), (1_202, 2, 1_200));
    assert_eq!((report.with_exif, report.failed), (120, 0));
    assert_eq!((report.chunks, report.invocations), (6, 6));
    assert_eq!((report.requests.get, report.requests.copy), (1_200, 1_200));
    assert!((2..10).contains(&report.requests.list), "{report:?}");
    assert_eq!(report.requests.invoke, 6);
    cloud.check(&report);
    assert_eq!(cloud.server.store.keys("photos-out", "images/").len(), 1_200);
}

#[tokio::test]
async fn a_busy_job_reports_its_progress() {
    let cloud = Cloud::start().await;
    cloud.put_many(60);
    // A checkpoint is written all the time: each chunk waits for one.
    cloud.server.faults.set_latency(Latency {
        put: Duration::from_millis(100),
        ..Latency::default()
    });
    let is_in_progress = |cloud: &Cloud| {
        let report = cloud.report("job");
        report.is_some_and(|report| report.state == State::Running && report.ok > 0)
    };
    let run = cloud.run(json!({"chunk_keys": 1, "parallel": 1}));
    tokio::select! {
        report = run => panic!("job.json never showed any progress: {report:?}"),
        () = cloud.until(is_in_progress) => {}
    }
}

#[tokio::test]
async fn a_report_says_what_limited_the_job() {
    // What processors use on Lambda. Each chunk has 10 images, which take 60 ms each.
    let on_lambda = |cpu_ms: u64, vcpu_ms: u64, elapsed_ms: u64, throttled: u64| {
        json!({"cpu_ms": cpu_ms, "vcpu_ms": vcpu_ms, "elapsed_ms": elapsed_ms, "throttled": throttled,
               "stages": {"download": [[60_000, 10]]}})
    };
    for (used, refused, fields, bound, advice) in [
        (
            on_lambda(10, 1_000, 1_000, 0),
            0,
            json!({}),
            "io",
            "lower `chunk_keys` (chunks: 6, `parallel`: 32)",
        ),
        (
            on_lambda(10, 1_000, 1_000, 0),
            0,
            json!({"parallel": 1, "concurrency": 4}),
            "io",
            "raise `concurrency`",
        ),
        (on_lambda(280, 289, 1_000, 0), 0, json!({}), "cpu", "0.29 of a vCPU"),
        (on_lambda(10, 1_000, 1_000, 1), 0, json!({}), "s3 rate", "S3 throttled "),
        (
            on_lambda(10, 1_000, 1_000, 0),
            1,
            json!({}),
            "lambda concurrency",
            "Lambda throttled 14.3 %",
        ),
        (
            // This is much longer than the test takes. So the processor seems busy all the time, with all images in
            // flight.
            json!({"cpu_ms": 0, "vcpu_ms": 600_000, "elapsed_ms": 600_000,
                   "stages": {"download": [[600_000_000_u64, 10]]}}),
            0,
            json!({"parallel": 1}),
            "lambda concurrency",
            "raise `parallel`",
        ),
    ] {
        let written = job_of_six_chunks(used, refused, &fields).await;
        assert_eq!(written["bottleneck"], bound, "{fields}: {written}");
        // A job of less than a second gets no advice.
        let is_advised = written["elapsed_ms"].as_u64().unwrap() >= 1_000;
        let advised = written["advice"].as_str().map(|given| given.contains(advice));
        assert_eq!(advised, is_advised.then_some(true), "{fields}: {written}");
    }
}

/// The report of a job whose processors report `used`. Lambda throttles it `refused` times.
async fn job_of_six_chunks(used: Value, refused: usize, fields: &Value) -> Value {
    let cloud = Cloud::with(move |number, processor: Processor| {
        let used = used.clone();
        async move {
            if number <= refused {
                return Reply::Rejected(429, "TooManyRequestsException");
            }
            match processor.run().await {
                Reply::Ok(mut response) => {
                    for (name, value) in used.as_object().unwrap() {
                        response[name] = value.clone();
                    }
                    Reply::Ok(response)
                }
                other => other,
            }
        }
    })
    .await;
    cloud.put_many(60);
    let mut request = fields.clone();
    request["chunk_keys"] = json!(10);
    request["images"] = json!("none");
    let report = cloud.run(request).await.unwrap();
    assert_eq!(report.ok, 60, "{fields}: {report:?}");
    cloud.check(&report);
    assert_eq!(report, cloud.run(json!({"action": "status"})).await.unwrap());
    serde_json::from_str(&cloud.text("jobs/job/job.json")).unwrap()
}

#[tokio::test]
async fn unusual_keys_are_processed() {
    let keys = [
        "a b+c.jpg",
        "%2B%25.jpg",
        "été/📷.jpg",
        "x//y.jpg",
        "/z.jpg",
        "../up.jpg",
        "bell\u{7}.jpg",
        "line\nbreak.jpg",
        "\u{1}\u{fffd}.jpg",
    ];
    let cloud = Cloud::start().await;
    for key in keys {
        cloud.put(key, TINY_WITH_EXIF);
    }
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.ok, report.with_exif), (9, 9), "{report:?}");
    cloud.check(&report);
    let records = cloud.records("job");
    for key in keys {
        assert!(records.contains_key(key), "{key:?}");
        assert!(
            cloud.server.store.get("photos-out", &format!("images/{key}")).is_some(),
            "{key:?}"
        );
    }
}

#[tokio::test]
async fn objects_listed_as_archived_fail_without_a_request() {
    let cloud = Cloud::start().await;
    cloud.put_many(3);
    for (key, class, restored) in [
        ("archived.jpg", "GLACIER", false),
        ("deep.jpg", "DEEP_ARCHIVE", false),
        ("restored.jpg", "GLACIER", true),
        ("instant.jpg", "GLACIER_IR", false),
    ] {
        let mut object = Object::new(TINY.to_vec().into(), Headers::default());
        object.storage_class = Some(class.to_owned());
        object.restored = restored;
        cloud.server.store.load("photos", key, object);
    }
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.ok, report.failed), (5, 2), "{report:?}");
    assert_eq!(report.failures[&FailureClass::Archived], 2);
    assert_eq!(report.requests.get, 5);
    let failed: Vec<String> = cloud.failed("job").into_iter().map(|(key, _)| key).collect();
    assert_eq!(failed, ["archived.jpg", "deep.jpg"]);
    cloud.check(&report);
}

#[tokio::test]
async fn each_image_has_one_sidecar() {
    let cloud = Cloud::start().await;
    cloud.put_many(30);
    let report = cloud
        .run(json!({"records": "sidecar", "images": "none", "chunk_keys": 10}))
        .await
        .unwrap();
    assert_eq!(
        (report.state, report.ok, report.with_exif),
        (State::Completed, 30, 3),
        "{report:?}"
    );
    assert_eq!(cloud.server.store.keys("photos-out", "sidecars/").len(), 30);
    assert_eq!(cloud.server.store.keys("photos-out", "records/"), [""; 0]);
}

#[tokio::test]
async fn a_plain_prefix_matches_as_in_s3() {
    let cloud = Cloud::start().await;
    for key in ["2024/a.jpg", "2024-old/b.jpg", "2023/c.jpg"] {
        cloud.put(key, &TINY);
    }
    let report = cloud.run(json!({"source": "s3://photos/2024"})).await.unwrap();
    assert_eq!(report.ok, 2);
    let images = cloud.server.store.keys("photos-out", "images/");
    assert_eq!(images, ["images/2024-old/b.jpg", "images/2024/a.jpg"]);
}

#[tokio::test]
async fn an_empty_prefix_completes_with_zeros() {
    let cloud = Cloud::start().await;
    let report = cloud.run(json!({"source": "s3://photos/nothing/"})).await.unwrap();
    assert_eq!(
        (report.state, report.listed, report.invocations),
        (State::Completed, 0, 0)
    );
    assert_eq!(report.diagnosis, None);
    cloud.check(&report);
}

#[tokio::test]
async fn a_problem_at_the_start_is_an_error_before_any_work() {
    let cloud = Cloud::start().await;
    cloud.put_many(3);
    cloud.server.faults.deny("ListObjectsV2", "secret/");
    cloud.server.faults.deny("PutObject", "locked/");
    for (request, part) in [
        (
            json!({"source": "s3://no-such-bucket/"}),
            "source cannot be listed: ListObjectsV2 s3://no-such-bucket/: NoSuchBucket",
        ),
        (json!({"source": "s3://photos/secret/"}), "AccessDenied"),
        (
            json!({"destination": "s3://no-such-bucket/"}),
            "destination cannot be used",
        ),
        (json!({"destination": "s3://photos-out/locked/"}), "AccessDenied"),
        (json!({"destination": "s3://photos/"}), "lies inside the source"),
        (json!({"chunk_keys": 0}), "chunk_keys: 0"),
        (json!({"colour": "red"}), "unknown field `colour`"),
    ] {
        let error = cloud.run(request.clone()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{request}: {error}");
    }
    assert_eq!(cloud.invocations.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(cloud.server.store.keys("photos-out", "").is_empty());
}

#[tokio::test]
async fn a_second_start_of_a_job_responds_with_its_report() {
    let cloud = Cloud::start().await;
    cloud.put_many(5);
    let first = cloud.run(json!({})).await.unwrap();
    cloud.put("later.jpg", &TINY);
    let second = cloud.run(json!({})).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.invocations, 1);
    cloud.check(&second);
}

#[tokio::test]
async fn failed_keys_are_listed_with_their_class() {
    let cloud = Cloud::start().await;
    cloud.put_many(20);
    cloud.server.faults.deny("GetObject", "00007");
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.state, report.ok, report.failed), (State::Completed, 19, 1));
    assert_eq!(report.failures[&FailureClass::AccessDenied], 1);
    cloud.check(&report);
    let failed: Value = serde_json::from_str(&cloud.text("jobs/job/failed/1-1.ndjson")).unwrap();
    assert_eq!(
        (&failed["key"], &failed["class"]),
        (&json!("00007.jpg"), &json!("access_denied"))
    );
    assert!(failed["error"].as_str().unwrap().contains("AccessDenied"));
}

#[tokio::test]
async fn too_many_failures_abort_a_job() {
    let cloud = Cloud::start().await;
    cloud.put_many(3_000);
    cloud.server.faults.deny("GetObject", ".jpg");
    let request = json!({"max_failed_percent": 10, "parallel": 1, "chunk_keys": 100});
    let report = cloud.run(request).await.unwrap();
    assert_eq!(report.state, State::Aborted);
    assert!(
        report.reason.as_ref().unwrap().contains("max_failed_percent"),
        "{report:?}"
    );
    assert_eq!(report.failed, 500);
    assert!(report.pending > 0);
    cloud.check(&report);
}

#[tokio::test]
async fn a_destination_that_refuses_images_aborts_a_job() {
    let cloud = Cloud::start().await;
    cloud.put_many(1_500);
    cloud.server.faults.deny("CopyObject", "");
    let report = cloud.run(json!({"parallel": 1, "chunk_keys": 250})).await.unwrap();
    assert_eq!((report.state, report.failed), (State::Aborted, 750), "{report:?}");
    assert!(report.pending > 0, "{report:?}");
    let reason = report.reason.as_ref().unwrap();
    assert!(
        reason.contains("each of the first 750 images failed with access_denied: CopyObject"),
        "{reason}"
    );
    cloud.check(&report);
}

#[tokio::test]
async fn unprocessed_keys_are_sent_again() {
    let cloud = Cloud::with(async |number, mut processor: Processor| {
        if number > 1 {
            return processor.run().await;
        }
        // The first processor has time for two of its objects.
        let objects = processor.payload["objects"].as_array_mut().unwrap();
        let handed_back: Vec<Value> = objects.drain(2..).map(|object| object["key"].clone()).collect();
        match processor.run().await {
            Reply::Ok(mut response) => {
                response["unprocessed"] = json!(handed_back);
                Reply::Ok(response)
            }
            other => other,
        }
    })
    .await;
    cloud.put_many(10);
    let report = cloud.run(json!({})).await.unwrap();
    assert_eq!((report.state, report.ok), (State::Completed, 10), "{report:?}");
    assert_eq!((report.chunks, report.invocations), (2, 2));
    cloud.check(&report);
}
