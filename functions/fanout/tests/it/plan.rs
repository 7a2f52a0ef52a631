//! Plans of jobs that make renditions: a processor measures a few images, and nothing is written.

use std::future::pending;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use fanout::Response;
use local::dataset;
use local::lambda::Reply;
use local::s3::{Effect, Fault, Headers, Object};
use serde_json::{Value, json};

use crate::cloud::{Cloud, LIFETIME, Processor, TINY, invocation};

/// Images in a sample.
const SAMPLE: u64 = 16;

const IMAGES: u64 = 40;

/// The time from the start of a plan until it no longer lists, and can still measure a sample.
const LATE: Duration = Duration::from_secs(14 * 60 + 30);

fn put_photos(cloud: &Cloud) {
    let photo = dataset::photo(0).unwrap();
    for index in 0..IMAGES {
        cloud.put(&format!("2024/{index:02}.jpg"), &photo);
    }
}

fn fields() -> Value {
    json!({
        "images": "transform", "records": "none", "parallel": 3, "chunk_keys": 5,
        "transform": {"renditions": [
            {"name": "web", "max_edge": 90, "format": "webp"},
            {"name": "thumb", "max_edge": 24, "quality": 60},
        ]},
    })
}

impl Cloud {
    /// The response to `plan` with these fields. Checks that nothing was written.
    async fn plan(&self, mut fields: Value) -> Value {
        fields["action"] = json!("plan");
        let response = self.response(fields).await.unwrap();
        assert!(matches!(response, Response::Estimate(_)), "{response:?}");
        assert!(self.server.store.keys("photos-out", "").is_empty());
        assert_eq!(self.server.served.totals().requests.put, 0);
        let plan = serde_json::to_value(response).unwrap();
        assert_ne!(plan.get("sample").is_some(), plan.get("note").is_some(), "{plan}");
        plan
    }

    /// The note of a plan that has nothing but assumptions.
    async fn unmeasured(&self) -> String {
        let plan = self.plan(fields()).await;
        let note = plan["note"].as_str().unwrap().to_owned();
        assert!(note.contains("60 ms of CPU time per image are assumed"), "{note}");
        // Up to three processors with one vCPU each.
        let parallel = number(&plan["chunks"]).clamp(1.0, 3.0);
        assert!(same(number(&plan["limits"]["cpu"]), parallel / 0.06), "{plan}");
        note
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Whether two numbers are the same, apart from rounding.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.1 + one * 0.01
}

#[tokio::test]
async fn a_plan_measures_a_sample_and_writes_nothing() {
    let cloud = Cloud::start().await;
    put_photos(&cloud);
    let plan = cloud.plan(fields()).await;
    let sample = &plan["sample"];
    assert_eq!(
        (&sample["images"], &sample["failed"]),
        (&json!(SAMPLE), &json!({})),
        "{plan}"
    );
    let cpu_ms = number(&sample["cpu_ms_per_image"]);
    let megapixels = number(&sample["megapixels"]);
    let per_megapixel = number(&sample["cpu_ms_per_megapixel"]);
    assert!(
        cpu_ms > 0.0 && same(cpu_ms * 16.0, per_megapixel * megapixels),
        "{plan}"
    );
    assert!(same(number(&plan["limits"]["cpu"]), 3.0 * 1000.0 / cpu_ms), "{plan}");
    assert_eq!(cloud.app.config.processor_memory_mb, 1769);

    // The job reads and writes as many bytes.
    let report = cloud.run(fields()).await.unwrap();
    assert_eq!(report.ok, IMAGES, "{report:?}");
    let written = number(&sample["bytes_written_per_image"]) * IMAGES as f64;
    assert!((written - report.bytes_written as f64).abs() < 1.0, "{plan} {report:?}");
    assert_eq!(plan["bytes_to_read"], json!(report.bytes_read));
    let moved = (report.bytes_read + report.bytes_written) as f64;
    let network = 3.0 * 625e6 / 8.0 * IMAGES as f64 / moved;
    assert!(same(number(&plan["limits"]["network"]), network), "{plan}");
    assert_eq!(plan["requests"]["get"], json!(IMAGES));
    assert!(number(&plan["requests"]["put"]) >= 2.0 * IMAGES as f64, "{plan}");
}

#[tokio::test]
async fn a_sample_stands_for_images_of_unknown_size_and_for_those_that_fail() {
    let cloud = Cloud::start().await;
    put_photos(&cloud);
    cloud.put("2024/text.jpg", b"not a picture");
    let keys = (0..8).map(|index| format!("2024/{index:02}.jpg\n"));
    let list = format!("key\n{}2024/text.jpg\n2024/gone.jpg\n", keys.collect::<String>());
    let object = Object::new(list.into_bytes().into(), Headers::default());
    cloud.server.store.load("lists", "keys.csv", object);
    let mut fields = fields();
    fields["manifest"] = json!("s3://lists/keys.csv");
    let plan = cloud.plan(fields.clone()).await;
    let sample = &plan["sample"];
    assert_eq!(sample["images"], json!(8), "{plan}");
    assert_eq!(sample["failed"], json!({"unsupported": 1, "not_found": 1}), "{plan}");
    // Each is in the sample, so it is the job.
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.failed), (8, 2), "{report:?}");
    assert_eq!(plan["bytes_to_read"], json!(report.bytes_read), "{report:?}");
}

#[tokio::test]
async fn a_plan_without_a_sample_says_why() {
    let cloud = Cloud::start().await;
    let note = cloud.unmeasured().await;
    assert!(note.ends_with("there is no image to measure"), "{note}");
    for index in 0..30 {
        cloud.put(&format!("{index:02}.jpg"), if index % 2 == 0 { &TINY } else { b"text" });
    }
    let note = cloud.unmeasured().await;
    assert!(
        note.contains("all images of the sample failed (unsupported: "),
        "{note}"
    );
    assert!(note.contains(", corrupt: "), "{note}");
}

#[tokio::test]
async fn an_older_processor_does_not_know_the_event_and_writes_nothing() {
    let cloud = Cloud::with(async |_, processor: Processor| {
        assert!(processor.payload.get("objects").is_none(), "{}", processor.payload);
        Reply::FunctionError(json!({
            "errorType": "UnknownEvent",
            "errorMessage": "unknown event: it is an object with the fields plan; expected the field objects",
        }))
    })
    .await;
    put_photos(&cloud);
    let note = cloud.unmeasured().await;
    assert!(
        note.contains("unknown event: it is an object with the fields plan"),
        "{note}"
    );
    // It is not asked again.
    assert_eq!(cloud.invocations.load(Relaxed), 1);
}

#[tokio::test]
async fn a_sample_that_lambda_throttles_or_loses_is_sent_again() {
    let cloud = Cloud::with(async |number, processor: Processor| match number {
        1 => Reply::Rejected(429, "TooManyRequestsException"),
        2 => Reply::FunctionError(json!({"errorType": "Runtime.ExitError"})),
        _ => processor.run().await,
    })
    .await;
    put_photos(&cloud);
    let plan = cloud.plan(fields()).await;
    assert_eq!(plan["sample"]["images"], json!(SAMPLE), "{plan}");
    assert_eq!(cloud.invocations.load(Relaxed), 3);
}

#[tokio::test]
async fn a_processor_that_always_dies_or_sends_nonsense_is_not_waited_for() {
    for (reply, part) in [
        (json!({"errorType": "Runtime.ExitError"}), "Runtime.ExitError"),
        (
            json!({"ok": 16}),
            "the processor's response is not valid: missing field `images`",
        ),
        (
            json!({"images": 3, "failed": {}, "unprocessed": 0, "pixels": 1, "bytes_read": 1, "bytes_written": 1,
                   "cpu_ms": 1}),
            "is about another sample",
        ),
        (
            json!({"images": 0, "failed": {}, "unprocessed": 16, "pixels": 0, "bytes_read": 0, "bytes_written": 0,
                   "cpu_ms": 1}),
            "the processor had no time for any of 16 images",
        ),
    ] {
        let cloud = Cloud::with(move |_, _: Processor| {
            let reply = reply.clone();
            async move {
                match reply.get("errorType") {
                    Some(_) => Reply::FunctionError(reply),
                    None => Reply::Ok(reply),
                }
            }
        })
        .await;
        put_photos(&cloud);
        let note = cloud.unmeasured().await;
        assert!(note.contains(part), "{note}");
    }
}

#[tokio::test]
async fn a_plan_does_not_wait_for_a_sample_beyond_its_time() {
    let cloud = Cloud::with(async |_, processor: Processor| {
        processor.clock.advance(LIFETIME);
        pending().await
    })
    .await;
    put_photos(&cloud);
    let note = cloud.unmeasured().await;
    assert!(note.ends_with("processor did not respond in time"), "{note}");
}

#[tokio::test]
async fn a_plan_without_time_asks_no_processor() {
    let cloud = Cloud::start().await;
    put_photos(&cloud);
    // fanout keeps five seconds for its response.
    let deadline = (cloud.clock.since_epoch() + Duration::from_secs(4)).as_millis();
    let mut request = fields();
    for (name, value) in [
        ("action", "plan"),
        ("source", "s3://photos/"),
        ("destination", "s3://photos-out/"),
    ] {
        request[name] = json!(value);
    }
    let response = fanout::handle(
        &cloud.app,
        request,
        &fanout::Invocation {
            deadline_ms: u64::try_from(deadline).unwrap(),
            ..invocation("request-1")
        },
    )
    .await;
    let Response::Estimate(plan) = response.unwrap() else {
        panic!("a plan should respond with an estimate");
    };
    let note = plan.note.unwrap();
    assert!(note.ends_with("the time of fanout is up"), "{note}");
    assert_eq!(cloud.invocations.load(Relaxed), 0);
}

#[tokio::test]
async fn a_listing_that_takes_long_leaves_time_for_the_sample() {
    let cloud = Cloud::start().await;
    let photo = dataset::photo(0).unwrap();
    for index in 0..1_001 {
        cloud.put(&format!("{index:04}.jpg"), &photo);
    }
    cloud.server.faults.add(Fault {
        operation: "ListObjectsV2",
        key_contains: String::new(),
        effect: Effect::Stall,
        after: 1,
        times: usize::MAX,
    });
    // The second page is requested when the first one has been counted.
    let late = async {
        cloud
            .until(|cloud| cloud.server.served.totals().requests.list >= 2)
            .await;
        cloud.clock.advance(LATE);
    };
    let (plan, ()) = tokio::join!(cloud.plan(fields()), late);
    assert_eq!(
        (&plan["listing_finished"], &plan["listed"]),
        (&json!(false), &json!(1_000)),
        "{plan}"
    );
    assert_eq!(plan["sample"]["images"], json!(SAMPLE), "{plan}");
}
