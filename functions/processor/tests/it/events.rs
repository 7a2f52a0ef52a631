use local::dataset;
use processor::{Error, EventResponse};
use serde_json::{Value, json};

use crate::cloud::{Cloud, PHOTOS};

const DESTINATION: (&str, &str) = ("DESTINATION", "s3://photos-out/");

/// One of the events that users invoke with.
fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn invoke(cloud: &Cloud, event: Value) -> EventResponse {
    serde_json::from_value(cloud.invoke(event).await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_sample_event_works_on_the_sample_photos() {
    for (name, key) in [
        ("s3-put.json", "IMG_00000.jpg"),
        ("s3-put-encoded-key.json", "été 2026/1+1 café.jpg"),
        ("eventbridge-object-created.json", "été 2026/1+1 café.jpg"),
    ] {
        let cloud = Cloud::start(&[DESTINATION]).await;
        cloud.put(key, PHOTOS[0].clone());
        let response = invoke(&cloud, sample(name)).await;
        assert_eq!(
            (response.ok, response.with_exif),
            (1, 1),
            "{name}: {:?}",
            response.failed
        );
        assert_eq!(
            cloud.output(&format!("images/{key}")).unwrap().body,
            PHOTOS[0],
            "{name}"
        );
        let records = cloud.server.store.keys("photos-out", "records/job=events-");
        let [file] = records.try_into().unwrap();
        assert_eq!(cloud.records(&file)[0]["key"], key);

        // The same event again writes the same bytes to the same keys.
        let before = cloud.output(&file).unwrap().body.clone();
        invoke(&cloud, sample(name)).await;
        assert_eq!(
            cloud.server.store.keys("photos-out", "records/"),
            std::slice::from_ref(&file)
        );
        assert_eq!(cloud.output(&file).unwrap().body, before);
    }
}

#[tokio::test]
async fn the_sample_chunk_works_on_the_sample_photos() {
    let cloud = Cloud::start(&[]).await;
    for index in 0..2 {
        cloud.put(&dataset::file_name(index), PHOTOS[index].clone());
    }
    let response = cloud.invoke(sample("processor-chunk.json")).await.unwrap();
    assert_eq!((&response["ok"], &response["failed"]), (&json!(2), &json!([])));
    assert_eq!(cloud.records("records/job=by-hand/0-1-1.ndjson").len(), 2);
}

#[tokio::test]
async fn keys_are_relative_to_the_source() {
    let cloud = Cloud::start(&[DESTINATION, ("SOURCE", "s3://photos/été 2026/")]).await;
    cloud.put("été 2026/1+1 café.jpg", PHOTOS[0].clone());
    assert_eq!(invoke(&cloud, sample("s3-put-encoded-key.json")).await.ok, 1);
    assert!(cloud.output("images/1+1 café.jpg").is_some());

    let response = invoke(&cloud, sample("s3-put.json")).await;
    assert_eq!(response.ok, 0);
    assert_eq!(response.ignored[0].key, "IMG_00000.jpg");
    assert!(
        response.ignored[0]
            .why
            .contains("outside the source s3://photos/été 2026/")
    );
}

#[tokio::test]
async fn what_asks_for_nothing_is_ignored_and_said_so() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let mut event = sample("s3-put.json");
    let record = event["Records"][0].clone();
    let with = |bucket: &str, key: &str, name: &str| {
        let mut record = record.clone();
        record["s3"]["bucket"]["name"] = json!(bucket);
        record["s3"]["object"]["key"] = json!(key);
        record["eventName"] = json!(name);
        record
    };
    event["Records"] = json!([
        with("photos", "notes.txt", "ObjectCreated:Put"),
        with("photos", "a.jpg", "ObjectRemoved:Delete"),
        with("photos-out", "images/a.jpg", "ObjectCreated:Copy"),
    ]);
    let response = invoke(&cloud, event).await;
    let mut why: Vec<&str> = response.ignored.iter().map(|ignored| ignored.why.as_str()).collect();
    why.sort_unstable();
    assert_eq!(
        why,
        [
            "it is in our own destination",
            "its name is not one of those included",
            "the event is ObjectRemoved:Delete, not ObjectCreated",
        ]
    );
    assert_eq!(response.usage.requests.get, 0);
}

#[tokio::test]
async fn a_permanent_failure_ends_the_event_and_a_passing_one_asks_for_another_try() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let response = invoke(&cloud, sample("s3-put.json")).await;
    assert_eq!(response.failed[0].class.to_string(), "not_found");

    cloud.put("IMG_00000.jpg", PHOTOS[0].clone());
    cloud.server.faults.add(local::s3::Fault {
        operation: "CopyObject",
        key_contains: "IMG".to_owned(),
        effect: local::s3::Effect::Error(local::s3::S3ErrorCode::NotImplemented),
        after: 0,
        times: usize::MAX,
    });
    let error = cloud.invoke(sample("s3-put.json")).await.unwrap_err();
    assert!(matches!(error, Error::TryAgain { count: 1, .. }), "{error}");
}

#[tokio::test]
async fn an_event_needs_a_destination() {
    let cloud = Cloud::start(&[]).await;
    let error = cloud.invoke(sample("s3-put.json")).await.unwrap_err();
    assert!(error.to_string().contains("DESTINATION is not set"), "{error}");
}
