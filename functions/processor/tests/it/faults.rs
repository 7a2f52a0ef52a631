//! Faults of S3 and of the connection to it.

use std::time::Duration;

use local::s3::{Chances, Effect, Fault, Latency, S3ErrorCode};
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::FailureClass;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk};

fn fault(operation: &'static str, key: &str, effect: Effect, times: usize) -> Fault {
    Fault {
        operation,
        key_contains: key.to_owned(),
        effect,
        after: 0,
        times,
    }
}

#[tokio::test]
async fn faults_that_pass_fail_no_image() {
    let cloud = Cloud::start_impatient(&[]).await;
    let objects = ["cut", "stall", "reset", "error", "shifted"].map(|key| {
        // Longer than the front, so that a range can be shifted.
        let image = [PHOTOS[0].clone(), vec![0; 200 * 1024]].concat();
        cloud.put(key, image)
    });
    for (key, effect, times) in [
        ("cut", Effect::Cut, 5),
        ("stall", Effect::Stall, 1),
        ("reset", Effect::Drop, 5),
        ("error", Effect::Error(S3ErrorCode::InternalError), 5),
        ("shifted", Effect::OtherRange, 2),
    ] {
        cloud.server.faults.add(fault("GetObject", key, effect.clone(), times));
        if !["stall", "shifted"].contains(&key) {
            cloud.server.faults.add(fault("CopyObject", key, effect, times));
        }
    }
    let response = cloud.chunk("copy", &objects).await;
    assert_eq!(response.ok, 5, "{:?}", response.failed);
    assert_eq!(cloud.records(RECORDS).len(), 5);
}

#[tokio::test]
async fn each_lasting_fault_has_its_failure_class() {
    for (key, effect, class, error) in [
        (
            "cut.jpg",
            Effect::Cut,
            FailureClass::Corrupt,
            "GetObject s3://photos/cut.jpg",
        ),
        (
            "whole.jpg",
            Effect::WholeBody,
            FailureClass::Corrupt,
            "where the bytes 0-131071 were asked for",
        ),
        (
            "shifted.jpg",
            Effect::OtherRange,
            FailureClass::Corrupt,
            "came where the bytes 0-131071 were asked for",
        ),
        (
            "slow.jpg",
            Effect::Error(S3ErrorCode::SlowDown),
            FailureClass::Throttled,
            "SlowDown",
        ),
        (
            "kms.jpg",
            Effect::Error(S3ErrorCode::Custom("KMS.ThrottlingException".into())),
            FailureClass::Throttled,
            "KMS",
        ),
        (
            "broken.jpg",
            Effect::Error(S3ErrorCode::NotImplemented),
            FailureClass::Internal,
            "NotImplemented",
        ),
        (
            "reset.jpg",
            Effect::Drop,
            FailureClass::Internal,
            "GetObject s3://photos/reset.jpg",
        ),
    ] {
        let cloud = Cloud::start_impatient(&[]).await;
        cloud.server.faults.add(fault("GetObject", key, effect, usize::MAX));
        let large = [PHOTOS[0].clone(), vec![0; 200 * 1024]].concat();
        let objects = [cloud.put(key, large), cloud.put("good.jpg", PHOTOS[0].clone())];
        let response = cloud.chunk("none", &objects).await;
        assert_eq!(response.ok, 1, "{key}");
        let [failed] = response.failed.try_into().unwrap();
        assert_eq!((failed.key.as_str(), failed.class), (key, class), "{failed:?}");
        assert!(failed.error.contains(error), "{failed:?}");
    }
}

#[tokio::test]
async fn images_that_hang_time_out_and_others_are_not_affected() {
    for (key, effect) in [("hang.jpg", Effect::Hang), ("stall.jpg", Effect::Stall)] {
        let cloud = Cloud::start(&[]).await;
        cloud.server.faults.add(fault("GetObject", key, effect, usize::MAX));
        let objects = [key, "good.jpg", "last.jpg"].map(|key| cloud.put(key, PHOTOS[0].clone()));
        let mut request = chunk("none", &objects);
        // The last image starts when the good one has ended.
        request["concurrency"] = json!(2);
        cloud.gate.hold("GET", "last.jpg");
        let (response, ()) = cloud
            .chunk_within(request, Duration::from_secs(900), async {
                cloud.gate.held(1).await;
                cloud.app.clock.advance(Duration::from_secs(60));
            })
            .await;
        assert_eq!(response.ok, 1, "{key}: {response:?}");
        let [failed, last] = response.failed.try_into().unwrap();
        assert_eq!((failed.key.as_str(), last.key.as_str()), (key, "last.jpg"));
        for failed in [failed, last] {
            assert_eq!(failed.class, FailureClass::Timeout, "{failed:?}");
            assert!(
                failed.error.contains("not finished in 60 s (IMAGE_TIMEOUT_SECONDS"),
                "{failed:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_request_is_sent_for_an_object_that_is_known_to_be_archived() {
    let cloud = Cloud::start(&[]).await;
    let mut archived = cloud.put("archived.jpg", PHOTOS[0].clone());
    archived["storage_class"] = json!("DEEP_ARCHIVE");
    let response = cloud.chunk("copy", &[archived]).await;
    assert_eq!(response.failed[0].class, FailureClass::Archived);
    assert!(response.failed[0].error.contains("DEEP_ARCHIVE: restore it first"));
    assert_eq!(response.usage.requests.get, 0);
}

/// Processes 200 images, and starts with `start` of them in flight. Gives the number that the processor settled at.
async fn target(cloud: &Cloud, start: usize) -> usize {
    let objects: Vec<Value> = (0..200)
        .map(|n| cloud.put(&format!("{n}.jpg"), &PHOTOS[0][..2_000]))
        .collect();
    let mut request = chunk("none", &objects);
    request["concurrency"] = json!(start);
    let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!(response.ok, 200, "{:?}", response.failed);
    response.concurrency
}

#[tokio::test]
async fn the_number_of_images_in_flight_follows_what_s3_can_serve() {
    let calm = Cloud::start(&[]).await;
    let get = Duration::from_millis(100);
    calm.server.faults.set_latency(Latency {
        get,
        ..Latency::default()
    });
    let grown = target(&calm, 4).await;
    assert!(grown > 6, "{grown}");

    let throttling = Cloud::start_impatient(&[]).await;
    throttling.server.faults.set_chances(Some(Chances {
        slow_down: 60.0,
        seed: 1,
        ..Chances::default()
    }));
    let shrunk = target(&throttling, 100).await;
    assert!(shrunk < 80, "{shrunk}");
}
