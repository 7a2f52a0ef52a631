//! The mode `transform`: renditions of images, with their keys, their headers and what they leave out.

use std::collections::HashMap;

#[cfg(not(feature = "avif"))]
use lambda_runtime::Diagnostic;
use local::s3::{Effect, Headers};
use serde_json::{Value, json};
use shared::metadata::read_whole;
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::FailureClass;
use shared::protocol::sample::SampleResponse;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk};

fn renditions(renditions: &Value, objects: &[Value]) -> Value {
    let mut request = chunk("transform", objects);
    request["transform"] = json!({ "renditions": renditions });
    request
}

async fn transform(cloud: &Cloud, wanted: Value, objects: &[Value]) -> ChunkResponse {
    let response = cloud.invoke(renditions(&wanted, objects)).await.unwrap();
    serde_json::from_value(response).unwrap()
}

/// The size of a JPEG.
fn size(file: &[u8]) -> (usize, usize) {
    let header = jpeg::Header::read(file).unwrap();
    (header.width, header.height)
}

#[tokio::test]
async fn a_rendition_is_scaled_and_has_only_the_headers_that_still_hold() {
    let cloud = Cloud::start(&[]).await;
    let headers = Headers {
        cache_control: Some("max-age=60".to_owned()),
        content_disposition: Some("attachment; filename=\"secret.tif\"".to_owned()),
        content_type: Some("image/tiff".to_owned()),
        user_metadata: HashMap::from([("owner".to_owned(), "me".to_owned())]),
        ..Headers::default()
    };
    let object = cloud.put_with("2024/a.jpg", PHOTOS[0].clone(), headers);
    let response = transform(&cloud, json!([{"max_edge": 64}]), &[object]).await;
    assert_eq!((response.ok, response.with_exif), (1, 1), "{:?}", response.failed);
    assert!(response.usage.stages.transform.percentiles().p50_ms > 0.0);

    let output = cloud.output("images/2024/a.jpg.jpeg").unwrap();
    let (width, height) = size(&output.body.bytes());
    assert_eq!(width.max(height), 64);
    assert_eq!(output.headers.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(output.headers.content_disposition.as_deref(), Some("attachment"));
    assert_eq!(output.headers.cache_control.as_deref(), Some("max-age=60"));
    assert_eq!(output.headers.user_metadata, HashMap::new());
    assert!(!output.body.bytes().windows(4).any(|bytes| bytes == b"Exif"));
    // The record says what the source held.
    let record = &cloud.records(RECORDS)[0];
    assert_eq!(
        (record["key"].as_str(), record["format"].as_str()),
        (Some("2024/a.jpg"), Some("jpeg"))
    );
    assert!(record["exif"].is_object());
}

#[cfg(not(feature = "avif"))]
#[tokio::test]
async fn avif_without_its_feature_is_refused() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    let wanted = json!([{"name": "a", "max_edge": 64}, {"name": "b", "max_edge": 64, "format": "avif"}]);
    let error = Diagnostic::from(cloud.invoke(renditions(&wanted, &[object])).await.unwrap_err());
    assert_eq!(error.error_type, "BadEvent");
    assert!(error.error_message.contains("renditions[1].format"), "{error:?}");
    assert!(error.error_message.contains("the feature avif"), "{error:?}");
    assert!(cloud.server.store.keys("photos-out", "").is_empty());
}

#[cfg(feature = "avif")]
#[tokio::test]
async fn avif_has_its_content_type() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    let response = transform(&cloud, json!([{"max_edge": 64, "format": "avif"}]), &[object]).await;
    assert_eq!(response.ok, 1, "{:?}", response.failed);
    let output = cloud.output("images/a.jpg.avif").unwrap();
    assert_eq!(output.headers.content_type.as_deref(), Some("image/avif"));
    assert_eq!(output.body.bytes()[4..12], *b"ftypavif");
}

#[tokio::test]
async fn several_renditions_have_their_own_folders_and_one_download() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    let wanted = json!([
        {"name": "large", "max_edge": 100},
        {"name": "small", "max_edge": 20, "format": "webp", "quality": 60},
        {"name": "same", "max_edge": 4000, "format": "keep"},
    ]);
    let response = transform(&cloud, wanted, &[object]).await;
    assert_eq!(response.ok, 1, "{:?}", response.failed);
    assert_eq!((response.usage.requests.get, response.usage.requests.put), (1, 4));
    let keys = cloud.server.store.keys("photos-out", "images/");
    assert_eq!(
        keys,
        [
            "images/large/a.jpg.jpeg",
            "images/same/a.jpg",
            "images/small/a.jpg.webp"
        ]
    );
    let output = cloud.output("images/small/a.jpg.webp").unwrap();
    assert_eq!(output.headers.content_type.as_deref(), Some("image/webp"));
    let (large, same) = (cloud.output(&keys[0]).unwrap(), cloud.output(&keys[1]).unwrap());
    assert_eq!(size(&same.body.bytes()), size(&PHOTOS[0]));
    assert!(size(&large.body.bytes()).0 < size(&same.body.bytes()).0);
}

#[tokio::test]
async fn what_cannot_be_made_fails_alone_and_writes_nothing() {
    let cloud = Cloud::start(&[]).await;
    let mut heif = b"\0\0\0\x18ftypheic\0\0\0\0heic".to_vec();
    heif.resize(500, 0);
    let objects = [
        cloud.put("text.jpg", "not a picture"),
        cloud.put("photo.heic", heif),
        cloud.put("front.jpg", &PHOTOS[0][..600]),
        cloud.put("right.jpg", PHOTOS[1].clone()),
    ];
    let mut request = renditions(&json!([{"max_edge": 32}]), &objects);
    let response = cloud.invoke(request.clone()).await.unwrap();
    let response: ChunkResponse = serde_json::from_value(response).unwrap();
    let failed: Vec<_> = response
        .failed
        .iter()
        .map(|failed| (failed.key.as_str(), failed.class))
        .collect();
    let expected = [
        ("text.jpg", FailureClass::Unsupported),
        ("photo.heic", FailureClass::Unsupported),
        ("front.jpg", FailureClass::Corrupt),
    ];
    assert_eq!(failed, expected, "{:?}", response.failed);
    assert_eq!(
        cloud.server.store.keys("photos-out", "images/"),
        ["images/right.jpg.jpeg"]
    );

    cloud.server.store.delete("photos-out", RECORDS);
    request["max_pixels"] = json!(1000);
    let response = cloud.invoke(request).await.unwrap();
    assert_eq!(response["failed"][3]["class"], "too_large", "{response}");
    assert!(
        response["failed"][3]["error"]
            .as_str()
            .unwrap()
            .contains("(max_pixels)"),
        "{response}"
    );
}

#[tokio::test]
async fn a_picture_that_is_cut_off_gives_a_warning() {
    let cloud = Cloud::start(&[]).await;
    let photo = &PHOTOS[0];
    let object = cloud.put("a.jpg", &photo[..photo.len() * 3 / 4]);
    let response = transform(&cloud, json!([{"max_edge": 32}]), &[object]).await;
    assert_eq!(response.ok, 1, "{:?}", response.failed);
    let warnings = cloud.records(RECORDS)[0]["warnings"].to_string();
    assert!(warnings.contains("damaged or cut off"), "{warnings}");
}

#[tokio::test]
async fn a_picture_that_needs_more_memory_than_there_is_is_too_large() {
    let cloud = Cloud::start(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")]).await;
    // The header says 16,000 × 16,000 pixels. The file has almost none of them.
    let mut photo = PHOTOS[0].clone();
    let frame = (0..photo.len())
        .find(|&at| photo[at..].starts_with(&[0xFF, 0xC0]))
        .unwrap();
    photo[frame + 5..frame + 9].copy_from_slice(&[0x3E, 0x80, 0x3E, 0x80]);
    let object = cloud.put("a.jpg", photo);
    let response = transform(&cloud, json!([{"max_edge": 8000}]), &[object]).await;
    assert_eq!(
        response.failed[0].class,
        FailureClass::TooLarge,
        "{:?}",
        response.failed
    );
}

#[tokio::test]
async fn bad_settings_are_errors_that_name_the_field() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    for (transform, part) in [
        (Value::Null, "transform: it is missing"),
        (
            json!({"renditions": []}),
            "transform.renditions: 0 is not within 1 to 8",
        ),
        (
            json!({"renditions": [{"max_edge": 5, "size": 1}]}),
            "unknown field `size`",
        ),
    ] {
        let mut request = chunk("transform", std::slice::from_ref(&object));
        request["transform"] = transform;
        let error = cloud.invoke(request).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_uploaded_image_is_transformed_as_the_variables_say() {
    let variables = [
        crate::cloud::DESTINATION,
        ("IMAGES", "transform"),
        ("TRANSFORM", r#"{"renditions": [{"max_edge": 40, "format": "png"}]}"#),
    ];
    let cloud = Cloud::start(&variables).await;
    cloud.put("a.jpg", PHOTOS[0].clone());
    cloud.put("b.jpg", "not a picture");
    let record = |key: &str| {
        let s3 = json!({"bucket": {"name": "photos"}, "object": {"key": key}});
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3})
    };
    let response = cloud
        .invoke(json!({"Records": [record("a.jpg"), record("b.jpg")]}))
        .await
        .unwrap();
    assert_eq!(
        (&response["ok"], &response["failed"][0]["class"]),
        (&json!(1), &json!("unsupported")),
        "{response}"
    );
    assert_eq!(cloud.server.store.keys("photos-out", "images/"), ["images/a.jpg.png"]);
}

#[tokio::test]
async fn an_image_that_is_replaced_while_it_is_decoded_is_transformed_again() {
    let variables = [
        crate::cloud::DESTINATION,
        ("IMAGES", "transform"),
        ("TRANSFORM", r#"{"renditions": [{"max_edge": 40}]}"#),
    ];
    let cloud = Cloud::start(&variables).await;
    cloud.put("a.jpg", PHOTOS[0].clone());
    // The first write breaks off, and the object is replaced before it is repeated.
    cloud.fault("PutObject", "images/", Effect::Drop, 3);
    let s3 = json!({"bucket": {"name": "photos"}, "object": {"key": "a.jpg"}});
    let event = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]});
    let replaced = async {
        while cloud.server.served.totals().requests.put == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        cloud.put("a.jpg", PHOTOS[1].clone());
    };
    let (response, ()) = tokio::join!(cloud.invoke(event), replaced);
    assert_eq!(response.unwrap()["ok"], 1);
    let other = Cloud::start(&variables).await;
    let object = other.put("a.jpg", PHOTOS[1].clone());
    transform(&other, json!([{"max_edge": 40}]), &[object]).await;
    let key = "images/a.jpg.jpeg";
    assert!(cloud.output(key).unwrap().body == other.output(key).unwrap().body);
}

#[tokio::test]
async fn a_sample_is_measured_and_nothing_is_written() {
    let cloud = Cloud::start(&[crate::cloud::DESTINATION]).await;
    cloud.put("b.jpg", PHOTOS[1].clone());
    let objects = [
        cloud.put("a.jpg", PHOTOS[0].clone()),
        json!({"key": "b.jpg"}),
        cloud.put("text.jpg", "not a picture"),
        cloud.put("front.jpg", &PHOTOS[0][..600]),
        json!({"key": "gone.jpg"}),
    ];
    let wanted = json!([{"name": "large", "max_edge": 100}, {"name": "small", "max_edge": 20, "format": "webp"}]);
    let mut request = renditions(&wanted, &objects);
    let mut samples = Vec::new();
    for records in ["ndjson", "sidecar", "none"] {
        request["records"] = json!(records);
        let response = cloud.invoke(json!({ "plan": request })).await.unwrap();
        samples.push(serde_json::from_value::<SampleResponse>(response).unwrap());
    }
    assert_eq!(cloud.server.store.keys("photos-out", ""), [""; 0]);
    assert_eq!(cloud.server.served.totals().requests.put, 0);

    // A job writes as many bytes.
    let chunk: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!((chunk.ok, chunk.failed.len()), (2, 3));
    let written = cloud.server.store.keys("photos-out", "images/");
    let written = written.iter().map(|key| cloud.output(key).unwrap().body.len());
    assert_eq!(chunk.usage.bytes_written, written.sum::<u64>());
    let failed = [FailureClass::Unsupported, FailureClass::NotFound, FailureClass::Corrupt];
    let pixels = PHOTOS.iter().map(|photo| size(photo));
    let pixels = pixels.map(|(width, height)| width * height).sum::<usize>();
    for sample in samples {
        let expected = SampleResponse {
            images: 2,
            failed: failed.map(|class| (class, 1)).into(),
            unprocessed: 0,
            pixels: pixels as u64,
            bytes_read: chunk.usage.bytes_read,
            bytes_written: chunk.usage.bytes_written,
            cpu_ms: sample.cpu_ms,
        };
        assert_eq!(sample, expected);
        assert!(sample.cpu_ms > 0);
    }
}

#[tokio::test]
async fn only_what_can_be_measured_without_a_write_is_a_sample() {
    let cloud = Cloud::start(&[crate::cloud::DESTINATION]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    for images in ["none", "copy", "upload"] {
        let request = json!({"plan": chunk(images, std::slice::from_ref(&object))});
        let error = cloud.invoke(request).await.unwrap_err().to_string();
        assert!(error.contains("plan: images: only transform"), "{error}");
    }
    assert_eq!(cloud.server.store.keys("photos-out", ""), [""; 0]);
}

/// A photo that is upright, and one that is not.
fn turned(is_turned: bool) -> Vec<u8> {
    let orientation = |photo: &Vec<u8>| read_whole(photo.clone().into()).exif?.orientation?.as_u64();
    let fits = |photo: &&Vec<u8>| (orientation(photo).unwrap_or(1) != 1) == is_turned;
    PHOTOS.iter().find(fits).unwrap().clone()
}

#[tokio::test]
async fn metadata_goes_with_the_picture_if_it_shall() {
    let cloud = Cloud::start(&[]).await;
    let photo = turned(true);
    let before = read_whole(photo.clone().into());
    let object = cloud.put("a.jpg", photo);
    let wanted = json!([
        {"name": "jpeg", "max_edge": 64},
        {"name": "png", "max_edge": 64, "format": "png"},
        {"name": "webp", "max_edge": 64, "format": "webp"},
    ]);
    let mut request = renditions(&wanted, &[object]);
    request["transform"]["metadata"] = json!("all");
    let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!(response.ok, 1, "{:?}", response.failed);
    for format in ["jpeg", "png", "webp"] {
        let output = cloud.output(&format!("images/{format}/a.jpg.{format}")).unwrap();
        let found = read_whole(output.body.bytes());
        let (exif, expected) = (found.exif.unwrap(), before.exif.as_ref().unwrap());
        assert_eq!(
            (&exif.make, &exif.taken_at),
            (&expected.make, &expected.taken_at),
            "{format}"
        );
        assert_eq!(exif.orientation.unwrap().as_u64(), Some(1), "{format}");
        let image = found.image.unwrap();
        assert_eq!(image.width.max(image.height), Some(64), "{format}");
        let width = exif.pixel_width.and_then(|width| width.as_u64());
        assert!(
            width.is_none_or(|width| Some(width) == image.width.map(u64::from)),
            "{format}"
        );
    }
}

#[tokio::test]
async fn an_image_takes_the_place_of_a_larger_output() {
    let cloud = Cloud::start(&[]).await;
    let photo = turned(false);
    let object = cloud.put("a.jpg", photo.clone());
    for (metadata, attempt) in [("none", "1-1"), ("all", "1-2")] {
        // The best quality takes more bytes than the photo has.
        let wanted = json!([
            {"name": "same", "max_edge": 4000, "format": "keep", "quality": 100},
            {"name": "other", "max_edge": 4000, "format": "png"},
        ]);
        let mut request = renditions(&wanted, std::slice::from_ref(&object));
        request["transform"]["metadata"] = json!(metadata);
        request["attempt"] = json!(attempt);
        request["records"] = json!("none");
        let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
        assert_eq!(response.ok, 1, "{:?}", response.failed);
        let same = cloud.output("images/same/a.jpg").unwrap().body.bytes();
        if metadata == "all" {
            assert!(same == photo);
        } else {
            assert!(same.len() < photo.len() && read_whole(same.clone()).exif.is_none_or(|exif| exif.make.is_none()));
            let picture = |file: &[u8]| jpeg::decode(file, &[jpeg::Scale::FULL; 3]).unwrap().planes;
            assert_eq!(picture(&same), picture(&photo));
        }
        let png = cloud.output("images/other/a.jpg.png").unwrap().body.bytes();
        assert!(png.len() > photo.len());
    }
}
