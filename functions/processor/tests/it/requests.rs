//! An invocation reports the requests that it sent, and the bytes that it read.

use local::s3::{Effect, Fault, S3ErrorCode};
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;

use crate::cloud::{Cloud, PHOTOS, chunk};

#[tokio::test]
async fn requests_and_bytes_are_what_the_mode_needs() {
    for (images, gets, puts, copies, read) in [
        ("none", 2, 1, 0, PHOTOS[0].len() + PHOTOS[1].len()),
        ("copy", 2, 1, 2, PHOTOS[0].len() + PHOTOS[1].len()),
        ("upload", 2, 3, 0, PHOTOS[0].len() + PHOTOS[1].len()),
    ] {
        let cloud = Cloud::start(&[]).await;
        let objects = [
            cloud.put("a.jpg", PHOTOS[0].clone()),
            cloud.put("b.jpg", PHOTOS[1].clone()),
        ];
        let usage = cloud.chunk(images, &objects).await.usage;
        let requests = usage.requests;
        assert_eq!(
            (requests.get, requests.put, requests.copy),
            (gets, puts, copies),
            "{images}"
        );
        assert_eq!(usage.bytes_read, read as u64, "{images}");
        assert_eq!(cloud.output("images/a.jpg").is_some(), images != "none");
    }
}

#[tokio::test]
async fn invocations_at_the_same_time_count_their_own_requests() {
    let cloud = Cloud::start(&[]).await;
    let objects: Vec<Value> = (0..5)
        .map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[0].clone()))
        .collect();
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "0.jpg".to_owned(),
        effect: Effect::Error(S3ErrorCode::SlowDown),
        after: 0,
        times: 2,
    });
    let mut other = chunk("copy", &objects[3..]);
    other["attempt"] = json!("1-8");
    // The first reads of all five images are sent before any of them continues.
    cloud.gate.hold("GET", "/photos/");
    let (one, other, ()) = tokio::join!(cloud.chunk("none", &objects[..3]), cloud.invoke(other), async {
        cloud.gate.held(5).await;
        cloud.gate.open();
    });
    let other: ChunkResponse = serde_json::from_value(other.unwrap()).unwrap();
    let counts = |response: &ChunkResponse| {
        let requests = response.usage.requests;
        (
            requests.get,
            requests.put,
            requests.copy,
            response.usage.throttled,
            response.ok,
        )
    };
    assert_eq!(counts(&one), (5, 1, 0, 2, 3));
    assert_eq!(counts(&other), (2, 1, 2, 0, 2));
}
