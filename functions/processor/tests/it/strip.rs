//! The mode `strip`: the same picture without its metadata, with its headers.

use std::collections::HashMap;

use local::s3::Headers;
use serde_json::{Value, json};
use shared::metadata::read_whole;
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::FailureClass;

use crate::cloud::{Cloud, DESTINATION, PHOTOS, RECORDS, chunk};

async fn strip(cloud: &Cloud, more: &Value, objects: &[Value]) -> ChunkResponse {
    let mut request = chunk("strip", objects);
    request["strip"] = json!("all");
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap()
}

/// A photo with a position.
fn located() -> Vec<u8> {
    let exif = |photo: &Vec<u8>| read_whole(photo.clone().into()).exif;
    let has_place = |photo: &&Vec<u8>| exif(photo).is_some_and(|exif| exif.gps.is_some());
    PHOTOS.iter().find(has_place).unwrap().clone()
}

fn headers() -> Headers {
    Headers {
        cache_control: Some("max-age=60".to_owned()),
        content_disposition: Some("inline; filename=\"Anna in Rome.jpg\"".to_owned()),
        content_type: Some("image/jpeg".to_owned()),
        user_metadata: HashMap::from([
            ("owner".to_owned(), "me".to_owned()),
            ("Order".to_owned(), "7".to_owned()),
        ]),
        ..Headers::default()
    }
}

#[tokio::test]
async fn an_image_is_written_without_its_metadata() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put_with("2024/a.jpg", located(), headers());
    let response = strip(&cloud, &json!({"keep_user_metadata": ["order"]}), &[object]).await;
    assert_eq!((response.ok, response.with_exif), (1, 1), "{:?}", response.failed);
    assert_eq!(response.usage.requests.get, 1);
    let output = cloud.output("images/2024/a.jpg").unwrap();
    let bytes = output.body.bytes();
    let left = read_whole(bytes.clone());
    assert!(
        left.tags.keys().all(|name| name.to_string() == "IFD0:Orientation"),
        "{left:?}"
    );
    let picture = |file: &[u8]| jpeg::decode(file, &[jpeg::Scale::FULL; 3]).unwrap().planes;
    assert_eq!(picture(&bytes), picture(&located()));
    assert_eq!(output.headers.content_disposition.as_deref(), Some("inline"));
    assert_eq!(output.headers.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(output.headers.cache_control.as_deref(), Some("max-age=60"));
    let kept = output.headers.user_metadata.iter();
    let kept: Vec<_> = kept
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .collect();
    assert_eq!(kept, [("order".to_owned(), "7")]);
    // The record says what the source held.
    let record = &cloud.records(RECORDS)[0];
    assert!(record["exif"]["make"].is_string() && record["exif"]["gps"].is_object());
}

#[tokio::test]
async fn location_keeps_the_rest() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", located());
    assert_eq!(strip(&cloud, &json!({"strip": "location"}), &[object]).await.ok, 1);
    let left = read_whole(cloud.output("images/a.jpg").unwrap().body.bytes())
        .exif
        .unwrap();
    let whole = read_whole(located().into()).exif.unwrap();
    assert!(whole.gps.is_some());
    assert_eq!(left.gps, None);
    assert_eq!((left.make, left.taken_at), (whole.make, whole.taken_at));
}

#[tokio::test]
async fn what_cannot_be_stripped_is_never_copied() {
    let cloud = Cloud::start(&[]).await;
    let raw = b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0\0\0\0\0\0\0";
    let objects = [
        cloud.put("a.cr2", raw.to_vec()),
        cloud.put("b.jpg", "not a picture"),
        cloud.put_long("c.jpg", located(), 100 << 20),
    ];
    let response = strip(&cloud, &json!({}), &objects).await;
    let failed: Vec<_> = response
        .failed
        .iter()
        .map(|failed| (failed.key.as_str(), failed.class))
        .collect();
    assert_eq!(
        failed,
        [
            ("a.cr2", FailureClass::Unsupported),
            ("b.jpg", FailureClass::Unsupported),
            ("c.jpg", FailureClass::TooLarge)
        ]
    );
    assert!(cloud.server.store.keys("photos-out", "images/").is_empty());
}

#[tokio::test]
async fn an_uploaded_image_is_stripped_as_the_variables_say() {
    let variables = [
        DESTINATION,
        ("IMAGES", "strip"),
        ("STRIP", "location"),
        ("KEEP_USER_METADATA", "owner,other"),
    ];
    let cloud = Cloud::start(&variables).await;
    cloud.put_with("a.jpg", located(), headers());
    let s3 = json!({"bucket": {"name": "photos"}, "object": {"key": "a.jpg"}});
    let event = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]});
    assert_eq!(cloud.invoke(event).await.unwrap()["ok"], 1);
    let output = cloud.output("images/a.jpg").unwrap();
    assert_eq!(output.headers.user_metadata.len(), 1);
    let left = read_whole(output.body.bytes()).exif.unwrap();
    assert!(left.gps.is_none() && left.make.is_some());
}
