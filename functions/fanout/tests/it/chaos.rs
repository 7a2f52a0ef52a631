//! Whatever S3 and Lambda do, a job ends as it does without faults.

use std::collections::BTreeMap;
use std::time::Duration;

use local::lambda::Reply;
use local::s3::{Chances, Effect, Fault};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared::protocol::failure::FailureClass;
use shared::protocol::job::State;
use tokio::time::timeout;

use crate::cloud::{Cloud, Processor};

const IMAGES: usize = 600;

/// Kills one invocation in ten, at a random moment.
async fn sometimes_killed(number: usize, processor: Processor) -> Reply {
    let mut random = ChaCha8Rng::seed_from_u64(number as u64);
    let moment = match random.random_range(0..10) {
        0 => Duration::from_millis(random.random_range(0..300)),
        _ => Duration::from_mins(5),
    };
    // A future that is dropped does nothing more, like a process that is killed.
    timeout(moment, processor.run()).await.unwrap_or(Reply::Dropped)
}

/// What a job wrote, without its report and checkpoint: images by key, and each line of the record files by itself,
/// because the names of these files depend on the attempts.
fn written(cloud: &Cloud) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for key in cloud.server.store.keys("photos-out", "") {
        let body = cloud
            .server
            .store
            .get("photos-out", &key)
            .unwrap()
            .body
            .bytes()
            .to_vec();
        if key.starts_with("records/") {
            for line in String::from_utf8(body).unwrap().lines() {
                assert_eq!(
                    found.insert(format!("record {line}"), Vec::new()),
                    None,
                    "a record is there twice"
                );
            }
        } else if key.starts_with("images/") {
            found.insert(key, body);
        }
    }
    found
}

#[tokio::test]
async fn faults_change_nothing_but_the_time() {
    let fields = json!({"chunk_keys": 50, "parallel": 8, "images": "upload"});
    let calm = Cloud::start().await;
    calm.put_many(IMAGES);
    let report = calm.run(fields.clone()).await.unwrap();
    assert_eq!((report.state, report.ok), (State::Completed, 600), "{report:?}");

    let cloud = Cloud::with(sometimes_killed).await;
    for key in calm.server.store.keys("photos", "") {
        let object = calm.server.store.get("photos", &key).unwrap();
        cloud.server.store.load("photos", &key, (*object).clone());
    }
    cloud.put("poison/broken-off.jpg", &[0; 1000]);
    cloud.put("poison/denied.jpg", &[0; 1000]);
    cloud.server.faults.deny("GetObject", "denied");
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "broken-off".to_owned(),
        effect: Effect::Cut,
        after: 0,
        times: usize::MAX,
    });
    cloud.server.faults.set_chances(Some(Chances {
        slow_down: 5.0,
        empty_page: 20.0,
        short_page: 20.0,
        other_error: 2.0,
        wrong_response: 2.0,
        internal_error: 2.0,
        reset: 1.0,
        stall: 1.0,
        cut: 1.0,
        seed: 7,
    }));
    let report = cloud.run(fields).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.failed),
        (State::Completed, 600, 2),
        "{report:?}"
    );
    assert_eq!(
        (
            report.failures[&FailureClass::AccessDenied],
            report.failures[&FailureClass::Corrupt]
        ),
        (1, 1)
    );
    cloud.check(&report);
    let injected = cloud.server.faults.injected();
    assert!(
        injected.slow_down > 20 && injected.stall > 0 && injected.cut > 0,
        "{injected:?}"
    );
    let (calm, faulty) = (written(&calm), written(&cloud));
    assert_eq!(calm.len(), 1_200);
    assert!(calm == faulty);
}
