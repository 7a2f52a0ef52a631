//! What an answer says bounded it. Each bound by itself is tested where it is derived.

use std::time::Duration;

use local::s3::Latency;
use serde_json::{Value, json};
use shared::bound::Bound;

use crate::cloud::{Cloud, PHOTOS, chunk};

#[tokio::test]
async fn an_answer_says_what_bounded_it() {
    let cloud = Cloud::start(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")]).await;
    let objects: Vec<Value> = (0..4)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect();
    cloud.server.faults.set_latency(Latency {
        get: Duration::from_millis(500),
        ..Latency::default()
    });
    let response = cloud.chunk("none", &objects).await;
    let usage = &response.usage;
    // Unless other tests use much of this process's CPU at the same time.
    if usage.cpu_ms * 10 < usage.elapsed_ms * 4 {
        let part = usage.elapsed_ms * 512 / 1769;
        assert!(usage.vcpu_ms.abs_diff(part) <= 1, "{} {part}", usage.vcpu_ms);
    }
    // Four images that wait for 500 ms each.
    assert!(usage.stages.total_ms() >= 1_900.0, "{}", usage.stages.total_ms());
    let reading = response.reading.unwrap();
    let cpu_percent = (usage.cpu_ms as f64 * 100.0 / usage.vcpu_ms as f64).min(100.0);
    assert!(
        (reading.cpu_percent - cpu_percent).abs() < 0.06,
        "{reading:?}: {cpu_percent}"
    );
    let expected = if reading.cpu_percent < 70.0 {
        Bound::Io
    } else {
        Bound::Cpu
    };
    assert_eq!(reading.bound, expected, "{reading:?}");

    // Two reads at one a second take a second, and with the write that is more than four fifths of the limit,
    // even if the machine hangs for two seconds.
    let mut request = chunk("none", &objects[..2]);
    request["attempt"] = json!("1-8");
    request["max_requests_per_second"] = json!(1.0);
    cloud.server.faults.set_latency(Latency::default());
    let answer = cloud.invoke(request).await.unwrap();
    assert_eq!(answer["bound"], "s3 rate", "{answer}");
    let advice = answer["advice"].as_str().unwrap();
    assert!(advice.ends_with("raise `max_requests_per_second`."), "{answer}");
}

#[tokio::test]
async fn nothing_done_is_bounded_by_nothing() {
    let cloud = Cloud::start(&[]).await;
    let gone = json!({"key": "gone.jpg", "size": 100, "etag": "0123456789abcdef0123456789abcdef"});
    let answer = cloud.invoke(chunk("none", &[gone])).await.unwrap();
    assert_eq!(answer["failed"][0]["class"], "not_found", "{answer}");
    assert!(
        answer.get("bound").is_none() && answer.get("advice").is_none(),
        "{answer}"
    );
}
