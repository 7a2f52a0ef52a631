//! Records as annotations of the source objects.

use std::time::Duration;

use local::s3::{Effect, Latency, Part};
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::FailureClass;

use crate::cloud::{Cloud, DESTINATION, PHOTOS, chunk, sample};

const ANNOTATION: (&str, &str) = ("RECORDS", "annotation");

async fn annotate(cloud: &Cloud, images: &str, objects: &[Value]) -> ChunkResponse {
    let mut request = chunk(images, objects);
    request["records"] = json!("annotation");
    serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap()
}

/// The record that is attached to an object of the source.
fn attached(cloud: &Cloud, key: &str) -> Option<Value> {
    let object = cloud.server.store.get("photos", key).unwrap();
    let annotation = object.annotations.get("exif")?;
    Some(serde_json::from_slice(&annotation.payload).unwrap())
}

#[tokio::test]
async fn each_record_is_attached_to_its_object() {
    for images in ["none", "copy", "upload"] {
        let cloud = Cloud::start(&[]).await;
        let objects = [
            cloud.put("a//é.jpg", PHOTOS[0].clone()),
            cloud.put("text.jpg", "no image"),
        ];
        let response = annotate(&cloud, images, &objects).await;
        assert_eq!((response.ok, response.with_exif), (2, 1), "{:?}", response.failed);
        let record = attached(&cloud, "a//é.jpg").unwrap();
        assert_eq!(record["etag"], objects[0]["etag"]);
        assert!(record["exif"]["make"].is_string(), "{record}");
        assert_eq!(attached(&cloud, "text.jpg").unwrap()["format"], "unknown");
        let written = cloud.server.store.keys("photos-out", "");
        assert_eq!(written.len(), if images == "none" { 0 } else { 2 }, "{written:?}");
        // The objects are as they were, and one request has shown that the store knows annotations.
        for (object, body) in objects.iter().zip([&PHOTOS[0][..], b"no image"]) {
            let now = cloud
                .server
                .store
                .get("photos", object["key"].as_str().unwrap())
                .unwrap();
            assert_eq!((&*now.body.bytes(), json!(now.etag)), (body, object["etag"].clone()));
        }
        let requests = response.usage.requests;
        let uploads = if images == "upload" { 2 } else { 0 };
        assert_eq!((requests.list, requests.put), (1, 2 + uploads));
        // A repeat does no harm.
        assert_eq!(annotate(&cloud, images, &objects).await.ok, 2);
        assert_eq!(attached(&cloud, "a//é.jpg").unwrap(), record);
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_meanwhile_is_changed() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    cloud.server.faults.set_latency(Latency {
        put: Duration::from_millis(500),
        ..Latency::default()
    });
    let replace = async {
        while cloud.server.served.totals().requests.put == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cloud.put("a.jpg", PHOTOS[1].clone());
    };
    let objects = [object];
    let (response, ()) = tokio::join!(annotate(&cloud, "none", &objects), replace);
    assert_eq!(response.failed[0].class, FailureClass::Changed, "{:?}", response.failed);
    assert_eq!(attached(&cloud, "a.jpg"), None);
}

#[tokio::test]
async fn nothing_is_written_if_the_store_does_not_know_annotations() {
    let cloud = Cloud::start(&[]).await;
    cloud.server.faults.ignore(Part::Annotations);
    let objects = [cloud.put("a.jpg", PHOTOS[0].clone())];
    let mut request = chunk("none", &objects);
    request["records"] = json!("annotation");
    let error = cloud.invoke(request).await.unwrap_err().to_string();
    assert!(error.contains("this store does not know annotations"), "{error}");
    let now = cloud.server.store.get("photos", "a.jpg").unwrap();
    assert_eq!(&*now.body.bytes(), &PHOTOS[0][..]);
}

#[tokio::test]
async fn a_refused_annotation_is_a_failure_that_says_so() {
    let cloud = Cloud::start(&[]).await;
    cloud.fault("PutObjectAnnotation", "", Effect::Status(403, Some("AccessDenied")), 1);
    let objects = [cloud.put("a.jpg", PHOTOS[0].clone())];
    let response = annotate(&cloud, "none", &objects).await;
    let failed = &response.failed[0];
    assert_eq!(failed.class, FailureClass::AccessDenied);
    assert!(
        failed.error.contains("PutObjectAnnotation s3://photos/a.jpg"),
        "{}",
        failed.error
    );
}

#[tokio::test]
async fn an_event_of_an_annotation_starts_nothing() {
    let cloud = Cloud::start(&[DESTINATION, ANNOTATION, ("IMAGES", "none")]).await;
    cloud.put("2026/photo.jpg", PHOTOS[0].clone());
    let mut created = sample("eventbridge-object-created.json");
    created["detail"]["bucket"]["name"] = json!("photos");
    created["detail"]["object"] = json!({"key": "2026/photo.jpg"});
    assert_eq!(cloud.invoke(created.clone()).await.unwrap()["ok"], 1);
    assert!(attached(&cloud, "2026/photo.jpg").is_some());
    let requests = cloud.server.served.totals().requests;

    // What S3 sends for the annotation that was just written.
    let mut annotated = created;
    annotated["detail-type"] = json!("Object Annotation Created");
    annotated["detail"]["reason"] = json!("PutObjectAnnotation");
    annotated["detail"]["object-annotation"] = json!({"name": "exif", "size": 24});
    let mut notified = sample("s3-put.json");
    notified["Records"][0]["eventName"] = json!("ObjectAnnotation:Put");
    for event in [annotated, notified] {
        let response = cloud.invoke(event).await.unwrap();
        assert_eq!(
            (&response["ok"], &response["ignored_count"]),
            (&json!(0), &json!(1)),
            "{response}"
        );
    }
    assert_eq!(cloud.server.served.totals().requests, requests);
}

/// An older event must not put the old record onto the new object.
#[tokio::test]
async fn an_event_of_an_object_that_was_replaced_annotates_nothing_old() {
    let cloud = Cloud::start(&[DESTINATION, ANNOTATION, ("IMAGES", "none")]).await;
    let old = cloud.put("2026/photo.jpg", PHOTOS[0].clone());
    cloud.put("2026/photo.jpg", PHOTOS[1].clone());
    let mut event = sample("eventbridge-object-created.json");
    event["detail"]["bucket"]["name"] = json!("photos");
    event["detail"]["object"] = json!({"key": "2026/photo.jpg", "etag": old["etag"]});
    let response = cloud.invoke(event).await.unwrap();
    assert_eq!(
        (&response["ok"], &response["ignored_count"]),
        (&json!(0), &json!(1)),
        "{response}"
    );
    assert_eq!(attached(&cloud, "2026/photo.jpg"), None);
}
