//! The time of an invocation, of an image, and of requests that keep to a rate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use local::s3::Latency;
use processor::handle;
use serde_json::{Value, json};
use shared::chunk::ChunkResponse;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk};

#[tokio::test]
async fn what_does_not_fit_into_the_time_is_handed_back() {
    let cloud = Cloud::start(&[]).await;
    let objects: Vec<Value> = (0..4)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect();
    // One at a time, and each takes more than a quarter of the time there is: the last could not end.
    let get = Duration::from_millis(1_500);
    cloud.server.faults.set_latency(Latency {
        get,
        ..Latency::default()
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let deadline = u64::try_from(now.as_millis()).unwrap() + 5_000;
    let mut request = chunk("none", &objects);
    request["concurrency"] = json!(1);
    let response = handle(&cloud.app, request, deadline).await.unwrap();
    let response: ChunkResponse = serde_json::from_value(response).unwrap();
    assert!(response.unprocessed.contains(&"3.jpg".to_owned()), "{response:?}");
    assert!(response.ok >= 1, "{response:?}");
    assert_eq!(response.ok + response.unprocessed.len() as u64, 4, "{response:?}");
    assert_eq!(cloud.records(RECORDS).len() as u64, response.ok);
    // What was not started was not asked for.
    assert!(response.usage.requests.get < 4, "{response:?}");
}

#[tokio::test]
async fn requests_keep_to_their_rate() {
    let cloud = Cloud::start(&[]).await;
    let objects: Vec<Value> = (0..6)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect();
    let mut request = chunk("none", &objects);
    request["max_requests_per_second"] = json!(20.0);
    let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!(response.ok, 6);
    // Six requests have five gaps of 50 ms; a slow machine only makes it more.
    assert!(response.usage.elapsed_ms >= 250, "{}", response.usage.elapsed_ms);
}

#[tokio::test]
async fn waiting_for_its_turn_is_not_an_images_own_time() {
    let cloud = Cloud::start(&[("IMAGE_TIMEOUT_SECONDS", "1")]).await;
    let objects: Vec<Value> = (0..60)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect();
    // Each image waits three seconds for each of its two requests.
    let mut request = chunk("copy", &objects);
    request["max_requests_per_second"] = json!(20.0);
    request["concurrency"] = json!(60);
    let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!(response.ok, 60, "{:?}", response.failed);
}
