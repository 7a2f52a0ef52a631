//! The bottleneck in a response. `shared::bottleneck` has the tests for each single bottleneck.

use std::time::Duration;

use serde_json::{Value, json};
use shared::protocol::diagnosis::Bottleneck;

use crate::cloud::{Cloud, PHOTOS, chunk};

#[tokio::test]
async fn a_response_says_what_limited_it() {
    let cloud = Cloud::start(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")]).await;
    let objects: Vec<Value> = (0..4)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect();
    // Four images that wait for 50 s each.
    cloud.gate.hold("GET", "/photos/");
    let (response, ()) = cloud
        .chunk_within(chunk("none", &objects), Duration::from_secs(900), async {
            cloud.gate.held(4).await;
            cloud.app.clock.advance(Duration::from_secs(50));
            cloud.gate.open();
        })
        .await;
    let usage = &response.usage;
    let part = usage.elapsed_ms * 512 / 1769;
    assert!(usage.vcpu_ms.abs_diff(part) <= 1, "{} {part}", usage.vcpu_ms);
    assert!(usage.stages.total_ms() >= 199_000.0, "{}", usage.stages.total_ms());
    let diagnosis = response.diagnosis.unwrap();
    let cpu_percent = (usage.cpu_ms as f64 * 100.0 / usage.vcpu_ms as f64).min(100.0);
    assert!(
        (diagnosis.cpu_percent - cpu_percent).abs() < 0.06,
        "{diagnosis:?}: {cpu_percent}"
    );
    assert_eq!(diagnosis.bottleneck, Bottleneck::Io, "{diagnosis:?}");

    // Two reads and one write in 100 s are more than four fifths of the limit.
    let mut request = chunk("none", &objects[..2]);
    request["attempt"] = json!("1-8");
    request["max_requests_per_second"] = json!(0.01);
    let sent = cloud.gate.count();
    let (response, ()) = cloud
        .chunk_within(request, Duration::from_secs(900), async {
            cloud.gate.requests(sent + 1).await;
            cloud.app.clock.advance(Duration::from_secs(100));
        })
        .await;
    let diagnosis = response.diagnosis.unwrap();
    assert_eq!(diagnosis.bottleneck, Bottleneck::S3Rate, "{diagnosis:?}");
    assert!(
        diagnosis
            .advice
            .as_ref()
            .unwrap()
            .ends_with("raise `max_requests_per_second`."),
        "{diagnosis:?}"
    );
}

#[tokio::test]
async fn without_a_processed_image_there_is_no_bottleneck() {
    let cloud = Cloud::start(&[]).await;
    let gone = json!({"key": "gone.jpg", "size": 100, "etag": "0123456789abcdef0123456789abcdef"});
    let response = cloud.invoke(chunk("none", &[gone])).await.unwrap();
    assert_eq!(response["failed"][0]["class"], "not_found", "{response}");
    assert!(
        response.get("bottleneck").is_none() && response.get("advice").is_none(),
        "{response}"
    );
}
