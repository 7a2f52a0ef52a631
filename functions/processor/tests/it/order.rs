//! Events that arrive out of order: the newest version stays.

use local::s3::{Effect, Fault, Headers, Object, S3ErrorCode};
use processor::{Error, EventResponse};
use serde_json::{Value, json};

use crate::cloud::{Cloud, DESTINATION, PHOTOS};

/// The event that S3 sends for an object as it is now.
fn event_of(cloud: &Cloud, key: &str) -> Value {
    let object = cloud.server.store.get("photos", key).unwrap();
    let mut described = json!({"key": key, "size": object.body.len(), "eTag": object.etag});
    if let Some(version) = &object.version_id {
        described["versionId"] = json!(version);
    }
    let s3 = json!({"bucket": {"name": "photos"}, "object": described});
    json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]})
}

async fn invoke(cloud: &Cloud, event: Value) -> EventResponse {
    serde_json::from_value(cloud.invoke(event).await.unwrap()).unwrap()
}

async fn cloud(variables: &[(&str, &str)], versioned: bool) -> Cloud {
    let cloud = Cloud::start(&[&[DESTINATION], variables].concat()).await;
    if versioned {
        cloud.server.store.create_versioned("photos");
    }
    cloud
}

/// Invokes with an event. Runs `meanwhile` after the object was read and before it is written.
async fn interrupted<T>(cloud: &Cloud, event: Value, meanwhile: impl Future<Output = T>) -> (Result<Value, Error>, T) {
    cloud.gate.hold("PUT", "/photos-out/");
    tokio::join!(cloud.invoke(event), async {
        cloud.gate.held(1).await;
        // The request that is held back keeps waiting. All later requests pass.
        cloud.gate.hold("PUT", "/nothing");
        let result = meanwhile.await;
        cloud.gate.open();
        result
    })
}

#[tokio::test]
async fn an_older_event_that_arrives_late_changes_nothing() {
    for versioned in [false, true] {
        for images in ["copy", "upload", "none"] {
            let cloud = cloud(&[("IMAGES", images)], versioned).await;
            cloud.put("a.jpg", PHOTOS[0].clone());
            let older = event_of(&cloud, "a.jpg");
            cloud.put("a.jpg", PHOTOS[1].clone());
            let newer = event_of(&cloud, "a.jpg");

            assert_eq!(invoke(&cloud, newer).await.ok, 1);
            let written = cloud.server.store.keys("photos-out", "");
            let response = invoke(&cloud, older).await;
            assert_eq!(response.failed.len(), 0, "{response:?}");
            if images == "none" {
                assert!(response.ignored[0].reason.contains("it was replaced"), "{response:?}");
            } else {
                assert_eq!(response.ok, 1, "it processes the newest version again: {response:?}");
                assert_eq!(cloud.output("images/a.jpg").unwrap().body, PHOTOS[1]);
            }
            assert_eq!(cloud.server.store.keys("photos-out", ""), written);
        }
    }
}

#[tokio::test]
async fn an_old_version_does_not_stay_when_its_event_is_sent_again() {
    let cloud = cloud(&[("IMAGES", "upload")], false).await;
    cloud.put("a.jpg", PHOTOS[0].clone());
    let older = event_of(&cloud, "a.jpg");
    // The newer event is processed while the first try of the older one writes. The check of this try then fails.
    let (first, newer) = interrupted(&cloud, older.clone(), async {
        cloud.put("a.jpg", PHOTOS[1].clone());
        let newer = invoke(&cloud, event_of(&cloud, "a.jpg")).await;
        cloud.server.faults.add(Fault {
            operation: "HeadObject",
            key_contains: "a.jpg".to_owned(),
            effect: Effect::Error(S3ErrorCode::NotImplemented),
            after: 0,
            times: 1,
        });
        newer
    })
    .await;
    assert_eq!(newer.ok, 1);
    assert!(matches!(first, Err(Error::RetryableFailures { .. })), "{first:?}");
    assert_eq!(
        cloud.output("images/a.jpg").unwrap().body,
        PHOTOS[0],
        "the older event wrote last"
    );
    invoke(&cloud, older).await;
    assert_eq!(cloud.output("images/a.jpg").unwrap().body, PHOTOS[1]);
}

#[tokio::test]
async fn an_old_version_does_not_stay_when_its_upload_ends_late() {
    for (images, records) in [("upload", "ndjson"), ("none", "sidecar")] {
        for versioned in [false, true] {
            let cloud = cloud(&[("IMAGES", images), ("RECORDS", records)], versioned).await;
            cloud.put("a.jpg", PHOTOS[0].clone());
            let older = event_of(&cloud, "a.jpg");
            let (older, newer) = interrupted(&cloud, older, async {
                cloud.put("a.jpg", PHOTOS[1].clone());
                invoke(&cloud, event_of(&cloud, "a.jpg")).await
            })
            .await;
            let older: EventResponse = serde_json::from_value(older.unwrap()).unwrap();
            assert_eq!((older.ok, newer.ok), (1, 1), "{older:?}");
            assert!(
                older.usage.requests.get >= 2,
                "it also read the newer version: {older:?}"
            );
            if images == "upload" {
                assert_eq!(cloud.output("images/a.jpg").unwrap().body, PHOTOS[1]);
            } else {
                let etag = &cloud.server.store.get("photos", "a.jpg").unwrap().etag;
                assert_eq!(cloud.records("sidecars/a.jpg.json")[0]["etag"], **etag);
            }
        }
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_each_time_must_be_retried() {
    let cloud = cloud(&[], false).await;
    cloud.put("a.jpg", PHOTOS[0].clone());
    cloud.gate.hold("HEAD", "a.jpg");
    let (response, ()) = tokio::join!(cloud.invoke(event_of(&cloud, "a.jpg")), async {
        for replacement in [1, 0, 1, 0, 1] {
            cloud.gate.held(1).await;
            cloud.put("a.jpg", PHOTOS[replacement].clone());
            cloud.gate.open();
            cloud.gate.hold("HEAD", "a.jpg");
        }
    });
    let error = response.unwrap_err();
    assert!(matches!(error, Error::RetryableFailures { count: 1, .. }), "{error}");
    assert!(error.to_string().contains("a.jpg: it was replaced 5 times"), "{error}");
}

#[tokio::test]
async fn a_copy_stays_when_its_source_is_deleted_meanwhile() {
    let cloud = cloud(&[("IMAGES", "upload")], false).await;
    cloud.put("a.jpg", PHOTOS[0].clone());
    let event = event_of(&cloud, "a.jpg");
    let (response, ()) = interrupted(&cloud, event, async {
        cloud.server.store.delete("photos", "a.jpg");
    })
    .await;
    assert_eq!(response.unwrap()["ok"], 1);
}

#[tokio::test]
async fn tasks_that_name_a_version_get_that_version() {
    let cloud = cloud(&[], true).await;
    cloud.put("a.jpg", PHOTOS[0].clone());
    let version = cloud
        .server
        .store
        .get("photos", "a.jpg")
        .unwrap()
        .version_id
        .clone()
        .unwrap();
    let object = Object::new(PHOTOS[1].clone().into(), Headers::default());
    cloud.server.store.load("photos", "a.jpg", object);
    let task = json!({"taskId": "1", "s3Key": "a.jpg", "s3VersionId": version, "s3Bucket": "photos"});
    let job = json!({"invocationSchemaVersion": "2.0", "invocationId": "1", "job": {"id": "1"}, "tasks": [task]});
    let response = cloud.invoke(job).await.unwrap();
    assert_eq!(response["results"][0]["resultCode"], "Succeeded", "{response}");
    assert_eq!(cloud.output("images/a.jpg").unwrap().body, PHOTOS[0]);
    let [file] = cloud.server.store.keys("photos-out", "records/").try_into().unwrap();
    assert_eq!(cloud.records(&file)[0]["version_id"], *version);
}
