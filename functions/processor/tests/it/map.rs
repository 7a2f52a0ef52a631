//! Batches of a Distributed Map.

use std::collections::BTreeSet;

use local::s3::Effect;
use processor::{Error, EventResponse};
use serde_json::{Value, json};

use crate::cloud::{Cloud, PHOTOS};

const DESTINATION: (&str, &str) = ("DESTINATION", "s3://photos-out/");
const FOLDER: &str = "records/job=run-1/";

/// Step Functions accepts this much.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

fn batch(items: impl IntoIterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.into_iter().collect();
    json!({"BatchInput": {"Bucket": "photos", "Job": "run-1"}, "Items": items})
}

/// Puts photos. Returns the items that name them.
fn put(cloud: &Cloud, keys: &[&str]) -> Vec<Value> {
    let put = |key: &&str| {
        let listed = cloud.put(key, PHOTOS[0].clone());
        json!({"Key": key, "Size": listed["size"], "Etag": listed["etag"]})
    };
    keys.iter().map(put).collect()
}

async fn invoke(cloud: &Cloud, event: &Value) -> Result<EventResponse, Error> {
    let response = cloud.invoke(event.clone()).await?;
    Ok(serde_json::from_value(response).unwrap())
}

/// The only file in the folder of the records, and its keys.
fn recorded(cloud: &Cloud) -> (String, Vec<String>) {
    let files = cloud.server.store.keys("photos-out", FOLDER);
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let records = cloud.records(file);
    (
        file.clone(),
        records
            .iter()
            .map(|record| record["key"].as_str().unwrap().to_owned())
            .collect(),
    )
}

#[tokio::test]
async fn a_batch_has_one_record_file_and_a_retry_adds_what_is_missing() {
    let cloud = Cloud::start_impatient(&[DESTINATION]).await;
    let event = batch(put(&cloud, &["a.jpg", "b.jpg", "c.jpg"]));
    cloud.fault("GetObject", "b.jpg", Effect::Status(501, Some("NotImplemented")), 1);
    let error = invoke(&cloud, &event).await.unwrap_err();
    assert!(matches!(error, Error::RetryableFailures { count: 1, .. }), "{error}");
    let (file, keys) = recorded(&cloud);
    assert_eq!(keys, ["a.jpg", "c.jpg"]);

    let before = cloud.server.served.totals().requests;
    let response = invoke(&cloud, &event).await.unwrap();
    let after = cloud.server.served.totals().requests;
    assert_eq!((response.ok, response.with_exif, response.failed_count), (3, 3, 0));
    assert_eq!(
        recorded(&cloud),
        (file, ["a.jpg", "c.jpg", "b.jpg"].map(str::to_owned).to_vec())
    );
    assert_eq!(after.copy - before.copy, 1, "only what was missing is processed");
}

#[tokio::test]
async fn two_invocations_for_one_batch_record_each_image_once() {
    let cloud = Cloud::start_impatient(&[DESTINATION]).await;
    let keys = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"];
    let event = batch(put(&cloud, &keys));
    let (one, other) = tokio::join!(invoke(&cloud, &event), invoke(&cloud, &event));
    assert_eq!((one.unwrap().ok, other.unwrap().ok), (4, 4));
    let (_, recorded) = recorded(&cloud);
    assert_eq!(recorded.len(), keys.len());
    assert_eq!(
        recorded.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        keys.into()
    );
}

#[tokio::test]
async fn a_lost_response_to_the_write_of_the_records_adds_none_twice() {
    let cloud = Cloud::start_impatient(&[DESTINATION]).await;
    let event = batch(put(&cloud, &["a.jpg", "b.jpg"]));
    cloud.fault("PutObject", "records/", Effect::Cut, 1);
    assert_eq!(invoke(&cloud, &event).await.unwrap().ok, 2);
    assert_eq!(recorded(&cloud).1, ["a.jpg", "b.jpg"]);
}

#[tokio::test]
async fn another_state_of_an_object_is_another_batch() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let old = batch(put(&cloud, &["a.jpg"]));
    invoke(&cloud, &old).await.unwrap();
    cloud.put("a.jpg", PHOTOS[1].clone());
    let listed = cloud.server.store.get("photos", "a.jpg").unwrap();
    let new = batch([json!({"Key": "a.jpg", "Etag": listed.etag})]);
    assert_eq!(invoke(&cloud, &new).await.unwrap().ok, 1);
    assert_eq!(cloud.server.store.keys("photos-out", FOLDER).len(), 2);
    // The old state is gone, but it has a record, so it is not processed again.
    assert_eq!(invoke(&cloud, &old).await.unwrap().ok, 1);
}

#[tokio::test]
async fn a_response_fits_into_a_state_and_no_failed_key_is_lost() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    for (count, character) in [(200, "k"), (200, "\u{1}"), (500, "é")] {
        let key = |number: usize| {
            let name = format!("{number:04}.jpg");
            character.repeat((1000 - name.len()) / character.len()) + &name
        };
        let event = batch((0..count).map(|number| json!({"Key": key(number)})));
        let response = cloud.invoke(event).await.unwrap();
        let size = response.to_string().len();
        assert!(size < MAX_RESPONSE_BYTES, "{size} bytes");
        assert_eq!(response["failed_count"], count);
        let listed = match response["failed_file"].as_str() {
            Some(file) => cloud.records(file.strip_prefix("s3://photos-out/").unwrap()),
            None => response["failed"].as_array().unwrap().clone(),
        };
        let listed: BTreeSet<&str> = listed.iter().map(|failed| failed["key"].as_str().unwrap()).collect();
        assert_eq!(listed.len(), count);
    }
}

#[tokio::test]
async fn ignored_keys_do_not_make_a_response_too_long() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    let keys = (0..300).map(|number| json!({"Key": format!("{}{number}.txt", "t".repeat(1000))}));
    let response = cloud.invoke(batch(keys)).await.unwrap();
    assert!(response.to_string().len() < MAX_RESPONSE_BYTES);
    assert_eq!(response["ignored_count"], 300);
}

#[tokio::test]
async fn the_name_of_a_job_must_fit_into_keys() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    for name in ["", "events-2026-01-01", "a/b", ".."] {
        let event = json!({"BatchInput": {"Bucket": "photos", "Job": name}, "Items": []});
        let error = cloud.invoke(event).await.unwrap_err().to_string();
        assert!(error.contains("BatchInput.Job"), "{error}");
    }
}
