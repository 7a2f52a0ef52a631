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
    let objects = [cloud.put("a.cr2", raw.to_vec()), cloud.put("b.jpg", "not a picture")];
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
            ("b.jpg", FailureClass::Unsupported)
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

/// Larger than half of the memory of the smallest function.
const LARGE: usize = 34 * 1024 * 1024;

/// Large images, each with a position before and behind its picture.
fn large_images() -> [(&'static str, Vec<u8>); 3] {
    let located = located();
    let data: Vec<u8> = (0..LARGE).map(|index| u8::try_from(index % 253).unwrap()).collect();
    let start = located.windows(2).position(|two| two == [0xFF, 0xDA]).unwrap();
    let jpeg = [&located[..start + 14], &data, b"\xFF\xD9", &located].concat();
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length[..], kind, body, &[0; 4]].concat()
    };
    let pictures: Vec<u8> = data.chunks(64 * 1024).flat_map(|part| chunk(b"IDAT", part)).collect();
    let text = chunk(b"tEXt", b"Comment\0a place");
    let png = [
        &b"\x89PNG\r\n\x1A\n"[..],
        &chunk(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0]),
        &text,
        &pictures,
        &text,
        &chunk(b"IEND", b""),
    ]
    .concat();
    // A table behind the strip: the width, the strip, a text, and a position.
    let long = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let end = 8 + LARGE;
    let row = |tag: u16, kind: u16, count: usize, value: usize| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &long(count), &long(value)].concat()
    };
    let rows = [
        row(0x100, 4, 1, 9),
        row(0x101, 4, 1, 9),
        row(0x10F, 2, 8, end + 200),
        row(0x111, 4, 1, 8),
        row(0x117, 4, 1, LARGE),
        row(0x8825, 4, 1, end + 100),
    ];
    let mut table = [&[6, 0][..], &rows.concat(), &[0; 4]].concat();
    table.resize(100, 0);
    table.extend([&[1, 0][..], &row(1, 2, 2, 0x4E), &[0; 4]].concat());
    table.resize(200, 0);
    table.extend(b"a place\0");
    let tiff = [&b"II*\0"[..], &long(end), &data, &table].concat();
    [("a.jpg", jpeg), ("b.png", png), ("c.tif", tiff)]
}

#[tokio::test]
async fn a_large_image_is_stripped_in_parts() {
    let cloud = Cloud::start(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")]).await;
    for (key, image) in large_images() {
        let object = cloud.put_with(key, image.clone(), headers());
        let fields = json!({"strip": "location", "records": "none"});
        let response = strip(&cloud, &fields, std::slice::from_ref(&object)).await;
        assert_eq!(response.ok, 1, "{key}: {:?}", response.failed);
        let cleaned = cloud.output(&format!("images/{key}")).unwrap();
        assert!(cleaned.etag.contains('-'), "{key} was not written in parts");
        let response = strip(&cloud, &json!({"records": "none"}), &[object]).await;
        assert_eq!(response.ok, 1, "{key}: {:?}", response.failed);
        // The search for metadata, a walk, the search in the output, and the parts.
        assert!(
            response.usage.bytes_read < 5 * image.len() as u64,
            "{key}: {}",
            response.usage.bytes_read
        );
        let bare = cloud.output(&format!("images/{key}")).unwrap();
        assert_eq!(bare.headers.content_disposition.as_deref(), Some("inline"));
        let bytes = bare.body.bytes();
        assert!(read_whole(cleaned.body.bytes()).exif.unwrap_or_default().gps.is_none());
        assert!(!bytes.windows(7).any(|window| window == b"a place"), "{key}");
        let options = shared::strip::Options::default();
        let expected = shared::strip::strip_whole(image.clone().into(), &read_whole(image.into()), options).unwrap();
        assert!(bytes == expected.bytes, "{key}");
    }
}

#[tokio::test]
async fn a_large_image_that_changes_is_not_written() {
    let cloud = Cloud::start(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")]).await;
    let [(key, image), ..] = large_images();
    let mut object = cloud.put(key, image);
    object["etag"] = json!("0123456789abcdef0123456789abcdef");
    let response = strip(&cloud, &json!({}), &[object]).await;
    assert_eq!(response.failed[0].class, FailureClass::Changed);
    assert!(cloud.server.store.keys("photos-out", "images/").is_empty());
    assert_eq!(cloud.server.store.uploads("photos-out"), 0);
}
