//! The time of an invocation and of an image, and the request limit. The tests move the clock forward instead of
//! waiting.

use std::time::Duration;

use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk};

const SECOND: Duration = Duration::from_secs(1);

fn put_photos(cloud: &Cloud, count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect()
}

#[tokio::test]
async fn images_that_do_not_fit_into_the_time_are_unprocessed() {
    let cloud = Cloud::start(&[("IMAGE_TIMEOUT_SECONDS", "900")]).await;
    let objects = put_photos(&cloud, 4);
    let mut request = chunk("none", &objects);
    // One image at a time. Each of the first two takes a quarter of the time, so a third might not end in time.
    request["concurrency"] = json!(1);
    cloud.gate.hold("GET", "/photos/");
    let (response, ()) = cloud
        .chunk_within(request, 400 * SECOND, async {
            for _ in 0..2 {
                cloud.gate.held(1).await;
                cloud.app.clock.advance(100 * SECOND);
                cloud.gate.open();
                cloud.gate.hold("GET", "/photos/");
            }
        })
        .await;
    assert_eq!(response.ok, 2, "{response:?}");
    assert_eq!(response.unprocessed, ["2.jpg", "3.jpg"], "{response:?}");
    assert_eq!(cloud.records(RECORDS).len() as u64, response.ok);
    // No request was sent for the images that did not start.
    assert_eq!(response.usage.requests.get, 2, "{response:?}");
}

#[tokio::test]
async fn images_that_still_run_at_the_end_are_unprocessed() {
    let cloud = Cloud::start(&[("IMAGE_TIMEOUT_SECONDS", "900")]).await;
    let mut objects = vec![json!({"key": "gone.jpg", "size": 100})];
    objects.extend(put_photos(&cloud, 2));
    let mut request = chunk("none", &objects);
    request["concurrency"] = json!(1);
    cloud.gate.hold("GET", "/photos/");
    let (response, ()) = cloud
        .chunk_within(request, 100 * SECOND, async {
            cloud.gate.held(1).await;
            // The second image then has more time of its own than the invocation has left.
            cloud.app.clock.advance(30 * SECOND);
            cloud.gate.open();
            cloud.gate.hold("GET", "/photos/");
            cloud.gate.held(1).await;
            cloud.app.clock.advance(68 * SECOND);
        })
        .await;
    assert_eq!(response.failed[0].key, "gone.jpg", "{response:?}");
    assert_eq!(response.unprocessed, ["0.jpg", "1.jpg"], "{response:?}");
}

#[tokio::test]
async fn requests_keep_to_the_limit() {
    let cloud = Cloud::start(&[]).await;
    let mut request = chunk("none", &put_photos(&cloud, 6));
    request["max_requests_per_second"] = json!(0.01);
    let (response, ()) = cloud
        .chunk_within(request, 900 * SECOND, async {
            for sent in 1..6 {
                cloud.gate.requests(sent).await;
                cloud.app.clock.advance(50 * SECOND);
                idle().await;
                assert_eq!(cloud.gate.count(), sent, "only half of the gap has passed");
                cloud.app.clock.advance(50 * SECOND);
            }
        })
        .await;
    assert_eq!(response.ok, 6);
    // Six requests have five gaps of 100 s.
    assert!(response.usage.elapsed_ms >= 500_000, "{}", response.usage.elapsed_ms);
}

/// Lets all tasks continue as far as they can without waiting.
async fn idle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_wait_for_its_turn_does_not_count_as_an_images_time() {
    let cloud = Cloud::start(&[("IMAGE_TIMEOUT_SECONDS", "200")]).await;
    let objects = put_photos(&cloud, 6);
    // Each image waits for the turns of its two requests: the last one first for 5 x 50 s, and then for 6 x 50 s. Its
    // own time is at most the two gaps of 50 s in which its requests are in flight.
    let mut request = chunk("copy", &objects);
    request["max_requests_per_second"] = json!(0.02);
    let (response, ()): (ChunkResponse, ()) = cloud
        .chunk_within(request, 900 * SECOND, async {
            for sent in 1..12 {
                cloud.gate.responses(sent).await;
                idle().await;
                cloud.app.clock.advance(50 * SECOND);
            }
        })
        .await;
    assert_eq!(response.ok, 6, "{:?}", response.failed);
}
