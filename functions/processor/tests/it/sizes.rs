//! Images of all sizes, known and unknown, with little memory.

use std::time::Duration;

use local::s3::{Effect, Fault, Headers, Object, S3ErrorCode};
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::failure::FailureClass;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

const LITTLE_MEMORY: (&str, &str) = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");

fn without_size(mut object: Value) -> Value {
    object.as_object_mut().unwrap().remove("size");
    object
}

#[tokio::test]
async fn an_unknown_size_is_found_by_the_first_read() {
    for (len, gets) in [(20 * KIB, 1), (128 * KIB, 1), (300 * KIB, 2)] {
        let cloud = Cloud::start(&[]).await;
        let front = PHOTOS[0][..10_000].to_vec();
        let object = without_size(cloud.put_long("a.jpg", front, len));
        let response = cloud.chunk("upload", &[object]).await;
        let requests = response.usage.requests;
        assert_eq!(
            (response.ok, requests.get, requests.head),
            (1, gets, 0),
            "{len}: {response:?}"
        );
        let source = cloud.server.store.get("photos", "a.jpg").unwrap();
        assert!(cloud.output("images/a.jpg").unwrap().body == source.body, "{len}");
    }
}

#[tokio::test]
async fn a_large_image_is_uploaded_in_parts_among_small_ones() {
    let cloud = Cloud::start(&[LITTLE_MEMORY]).await;
    let headers = Headers {
        content_type: Some("image/jpeg".to_owned()),
        ..Headers::default()
    };
    let large = Object::long(PHOTOS[0].clone().into(), 100 * MIB, headers);
    let mut objects = vec![json!({"key": "large.jpg", "size": 100 * MIB, "etag": large.etag})];
    cloud.server.store.load("photos", "large.jpg", large);
    objects.extend((0..50).map(|n| cloud.put(&format!("{n}.jpg"), PHOTOS[1].clone())));

    let response = cloud.chunk("upload", &objects).await;
    assert_eq!((response.ok, response.with_exif), (51, 51), "{:?}", response.failed);
    let source = cloud.server.store.get("photos", "large.jpg").unwrap();
    let copy = cloud.output("images/large.jpg").unwrap();
    assert!(copy.body == source.body);
    assert_eq!(copy.headers.content_type.as_deref(), Some("image/jpeg"));
    assert!(copy.headers.user_metadata.contains_key("exif-make"));
    // The 50 small images, the front of the large image, and its seven parts of 16 MiB.
    assert_eq!(response.usage.requests.get, 50 + 1 + 7);
    assert_eq!(cloud.server.store.uploads("photos-out"), 0);
    assert_eq!(cloud.records(RECORDS)[0]["size"], 100 * MIB);
}

#[tokio::test]
async fn a_multipart_upload_that_fails_leaves_nothing() {
    let cloud = Cloud::start(&[LITTLE_MEMORY]).await;
    let object = cloud.put_long("large.jpg", PHOTOS[0].clone(), 100 * MIB);
    for (operation, effect, class) in [
        (
            "UploadPart",
            Effect::Error(S3ErrorCode::AccessDenied),
            FailureClass::AccessDenied,
        ),
        (
            "CompleteMultipartUpload",
            Effect::Error(S3ErrorCode::AccessDenied),
            FailureClass::AccessDenied,
        ),
    ] {
        cloud.server.faults.clear();
        cloud.server.faults.add(Fault {
            operation,
            key_contains: "large".to_owned(),
            effect,
            after: 0,
            times: usize::MAX,
        });
        let response = cloud.chunk("upload", std::slice::from_ref(&object)).await;
        assert_eq!(response.failed[0].class, class, "{operation}: {:?}", response.failed);
        assert_eq!(cloud.server.store.uploads("photos-out"), 0, "{operation}");
    }
    assert_eq!(cloud.server.store.keys("photos-out", ""), [""; 0]);
}

#[tokio::test]
async fn a_multipart_upload_that_runs_out_of_time_leaves_nothing() {
    for (image_timeout, unprocessed, failed) in [("900", vec!["large.jpg"], 0), ("5", vec![], 1)] {
        let cloud = Cloud::start(&[LITTLE_MEMORY, ("IMAGE_TIMEOUT_SECONDS", image_timeout)]).await;
        let gone = json!({"key": "gone.jpg", "size": 100});
        let object = cloud.put_long("large.jpg", PHOTOS[0].clone(), 100 * MIB);
        let mut request = chunk("upload", &[gone, object]);
        request["concurrency"] = json!(1);
        cloud.gate.hold("GET", "gone.jpg");
        let time = Duration::from_secs(100);
        let (response, ()) = cloud
            .chunk_within(request, time, async {
                cloud.gate.held(1).await;
                // When the large image starts, less time is left than the most that an image may take.
                cloud.app.clock.advance(time * 3 / 10);
                cloud.gate.open();
                cloud.gate.hold("PUT", "partNumber=3");
                cloud.gate.held(1).await;
                cloud.app.clock.advance(time * 68 / 100);
            })
            .await;
        assert_eq!(response.unprocessed, unprocessed, "{response:?}");
        // The first object does not exist, and the large one may time out.
        assert_eq!(response.failed.len(), 1 + failed, "{response:?}");
        for timed_out in &response.failed[1..] {
            assert_eq!(timed_out.class, FailureClass::Timeout, "{timed_out:?}");
        }
        assert_eq!(cloud.server.store.uploads("photos-out"), 0);
        assert_eq!(cloud.server.store.keys("photos-out", ""), [""; 0]);
    }
}

#[tokio::test]
async fn an_image_that_is_too_large_for_one_copy_request_is_copied_in_parts() {
    let cloud = Cloud::start(&[LITTLE_MEMORY]).await;
    let object = cloud.put_long("huge.tif", PHOTOS[0].clone(), 6 * GIB);
    let response = cloud.chunk("copy", &[object]).await;
    assert_eq!((response.ok, response.with_exif), (1, 1), "{:?}", response.failed);
    let requests = response.usage.requests;
    assert_eq!((requests.get, requests.copy), (1, 12));
    assert_eq!(response.usage.bytes_read, 128 * KIB);
    let source = cloud.server.store.get("photos", "huge.tif").unwrap();
    let copy = cloud.output("images/huge.tif").unwrap();
    assert!(copy.body == source.body);
    assert!(copy.headers.user_metadata.contains_key("exif-make"));
}

#[tokio::test]
async fn an_image_is_too_large_if_too_much_must_be_read_to_find_its_exif() {
    let cloud = Cloud::start(&[]).await;
    // A PNG with two pieces of image data, the second of 70 MiB. The whole file must be read to find EXIF behind them.
    let piece = |length: u32, kind: &[u8; 4]| [&length.to_be_bytes()[..], kind].concat();
    let png = [
        &b"\x89PNG\r\n\x1a\n"[..],
        &piece(13, b"IHDR"),
        &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0],
        &[0; 4],
        &piece(1, b"IDAT"),
        &[0; 5],
        &piece(70 * 1024 * 1024, b"IDAT"),
    ]
    .concat();
    let objects = [
        cloud.put_long("hidden.png", png, 90 * MIB),
        cloud.put("small.jpg", PHOTOS[0].clone()),
    ];
    let response: ChunkResponse = cloud.chunk("copy", &objects).await;
    assert_eq!(response.ok, 1);
    assert_eq!(
        response.failed[0].class,
        FailureClass::TooLarge,
        "{:?}",
        response.failed
    );
    assert!(
        response.failed[0].error.contains("to find its EXIF"),
        "{:?}",
        response.failed
    );
}

#[tokio::test]
async fn sidecars_replace_the_record_file() {
    let cloud = Cloud::start(&[]).await;
    let long_key = "l".repeat(1011);
    let objects = [
        cloud.put("a//b.jpg", PHOTOS[0].clone()),
        cloud.put(&long_key, PHOTOS[0].clone()),
    ];
    let mut request = chunk("none", &objects);
    request["records"] = json!("sidecar");
    let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!((response.ok, response.with_exif), (1, 1));
    assert_eq!(response.failed[0].class, FailureClass::KeyTooLong);
    assert_eq!(cloud.server.store.keys("photos-out", ""), ["sidecars/a//b.jpg.json"]);
    let [record] = cloud.records("sidecars/a//b.jpg.json").try_into().unwrap();
    assert_eq!(
        (&record["key"], &record["format"]),
        (&json!("a//b.jpg"), &json!("jpeg"))
    );
}

/// A PNG of about `bytes` whose image data is in pieces of 64 KiB, with its EXIF at the end.
fn png_in_pieces(bytes: usize) -> Vec<u8> {
    fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        // Nothing reads the checksum.
        [&length[..], &kind, data, &[0; 4]].concat()
    }
    // A TIFF with the field Make.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x0F\0\x02\0\0\0\x04abc\0\0\0\0\0";
    let data = chunk(*b"IDAT", &vec![0x5A; 64 * 1024]);
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(*b"IHDR", &[0; 13]),
        &data.repeat(bytes / data.len()),
        &chunk(*b"eXIf", exif),
        &data,
        &data,
        &chunk(*b"IEND", &[]),
    ]
    .concat()
}

#[tokio::test]
async fn a_large_png_in_pieces_is_read_with_little_memory() {
    // 64 MB for images: three of these files would not fit, and they are read at the same time.
    let cloud = Cloud::start(&[LITTLE_MEMORY]).await;
    let image = png_in_pieces(40 << 20);
    let objects: Vec<Value> = (0..6).map(|n| cloud.put(&format!("{n}.png"), image.clone())).collect();
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "0.png".to_owned(),
        effect: Effect::Cut,
        after: 2,
        times: 2,
    });
    let response = cloud.chunk("none", &objects).await;
    assert_eq!((response.ok, response.with_exif), (6, 6), "{:?}", response.failed);
    let requests = response.usage.requests.get;
    assert!(requests <= 6 * 3 + 2, "the front, the tail and the rest: {requests}");
}
