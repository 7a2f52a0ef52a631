//! Chunks from fanout, and the records and copies of their images.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use local::s3::{Effect, Fault, Headers, Object, S3ErrorCode};
use processor::Error;
use serde_json::{Value, json};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::diagnosis::Bottleneck;
use shared::protocol::failure::FailureClass;

use crate::cloud::{Cloud, PHOTOS, RECORDS, chunk};

const AWKWARD: [&str; 11] = [
    "plain.jpg",
    "with space.jpg",
    "1+1=2.jpg",
    "100%.jpg",
    "%2B.jpg",
    "été/🏖.jpg",
    "double//slash.jpg",
    "/leading.jpg",
    "../up.jpg",
    "bell\u{7}.jpg",
    "?query#fragment&amp;.jpg",
];

#[tokio::test]
async fn copy_and_upload_round_trip_awkward_keys() {
    for images in ["copy", "upload"] {
        let cloud = Cloud::start(&[]).await;
        let objects: Vec<Value> = AWKWARD.iter().map(|key| cloud.put(key, PHOTOS[0].clone())).collect();
        let response = cloud.chunk(images, &objects).await;
        assert_eq!((response.ok, response.with_exif), (11, 11), "{:?}", response.failed);

        let records = cloud.records(RECORDS);
        let keys: Vec<&str> = records.iter().filter_map(|record| record["key"].as_str()).collect();
        assert_eq!(keys, AWKWARD, "records are in chunk order");
        for key in AWKWARD {
            let copy = cloud
                .output(&format!("images/{key}"))
                .unwrap_or_else(|| panic!("there is no copy of {key:?}"));
            assert_eq!(copy.body, PHOTOS[0], "{key}");
        }
    }
}

#[tokio::test]
async fn a_record_has_the_origin_and_the_metadata_of_its_image() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    cloud.chunk("none", std::slice::from_ref(&object)).await;
    let [record] = cloud.records(RECORDS).try_into().unwrap();
    assert_eq!(record["schema"], 2);
    assert_eq!((&record["bucket"], &record["key"]), (&json!("photos"), &json!("a.jpg")));
    assert_eq!((&record["size"], &record["etag"]), (&object["size"], &object["etag"]));
    assert!(record["last_modified"].as_str().unwrap().ends_with('Z'), "{record}");
    assert_eq!(record["format"], "jpeg");
    assert_eq!(record["exif"]["make"], record["tags"]["IFD0:Make"]);
    assert!(record["exif"]["taken_at"].is_string());
    assert_eq!(record["warnings"], json!([]));
}

#[tokio::test]
async fn headers_and_metadata_of_the_source_are_kept() {
    for images in ["copy", "upload"] {
        let cloud = Cloud::start(&[]).await;
        let headers = Headers {
            cache_control: Some("max-age=60".to_owned()),
            content_disposition: Some("attachment; filename=\"a.jpg\"".to_owned()),
            content_encoding: Some("identity".to_owned()),
            content_language: Some("fr".to_owned()),
            content_type: Some("image/jpeg".to_owned()),
            expires: Some((UNIX_EPOCH + Duration::from_secs(2_000_000_000)).into()),
            user_metadata: HashMap::from([("album".to_owned(), "summer".to_owned())]),
            ..Headers::default()
        };
        let photo = cloud.put_with("a.jpg", PHOTOS[0].clone(), headers.clone());
        let plain = cloud.put_with("b.jpg", "not an image", headers.clone());
        assert_eq!(cloud.chunk(images, &[photo, plain]).await.ok, 2);

        let record = &cloud.records(RECORDS)[0];
        let copy = &cloud.output("images/a.jpg").unwrap().headers;
        assert_eq!(copy.cache_control, headers.cache_control);
        assert_eq!(copy.content_disposition, headers.content_disposition);
        assert_eq!(copy.content_encoding, headers.content_encoding);
        assert_eq!(copy.content_language, headers.content_language);
        assert_eq!(copy.content_type, headers.content_type);
        assert_eq!(copy.expires, headers.expires);
        assert_eq!(copy.user_metadata["album"], "summer");
        assert_eq!(
            copy.user_metadata["exif-make"],
            record["exif"]["make"].as_str().unwrap()
        );
        assert_eq!(
            copy.user_metadata["exif-taken-at"],
            record["exif"]["taken_at"].as_str().unwrap()
        );

        let copy = &cloud.output("images/b.jpg").unwrap().headers;
        assert_eq!(copy.user_metadata, headers.user_metadata);
        assert_eq!(copy.content_type, headers.content_type);
    }
}

#[tokio::test]
async fn metadata_that_does_not_fit_is_left_out_with_a_warning() {
    let cloud = Cloud::start(&[]).await;
    let user_metadata = HashMap::from([("note".to_owned(), "x".repeat(2040))]);
    let headers = Headers {
        user_metadata: user_metadata.clone(),
        ..Headers::default()
    };
    let object = cloud.put_with("a.jpg", PHOTOS[0].clone(), headers);
    assert_eq!(cloud.chunk("copy", &[object]).await.ok, 1);
    assert_eq!(
        cloud.output("images/a.jpg").unwrap().headers.user_metadata,
        user_metadata
    );
    let warnings = cloud.records(RECORDS)[0]["warnings"].to_string();
    assert!(warnings.contains("2 KB"), "{warnings}");
}

#[tokio::test]
async fn bad_objects_do_not_affect_the_others() {
    let cloud = Cloud::start(&[]).await;
    let gone = json!({"key": "gone.jpg", "size": 100, "etag": "0123456789abcdef0123456789abcdef"});
    let replaced = cloud.put("replaced.jpg", PHOTOS[0].clone());
    cloud.put("replaced.jpg", PHOTOS[1].clone());
    let archived = cloud.put("archived.jpg", PHOTOS[0].clone());
    let mut frozen = Object::new(PHOTOS[0].clone().into(), Headers::default());
    frozen.storage_class = Some("GLACIER".to_owned());
    cloud.server.store.load("photos", "archived.jpg", frozen);
    let denied = cloud.put("denied.jpg", PHOTOS[0].clone());
    cloud.server.faults.deny("GetObject", "denied");
    let long_key = "l".repeat(1020);
    let long = cloud.put(&long_key, PHOTOS[0].clone());

    let objects = [
        cloud.put("first.jpg", PHOTOS[0].clone()),
        gone,
        replaced,
        archived,
        denied,
        long,
        cloud.put("last.jpg", PHOTOS[1].clone()),
    ];
    let response = cloud.chunk("copy", &objects).await;
    assert_eq!(response.ok, 2);
    let failed: Vec<(&str, FailureClass)> = response
        .failed
        .iter()
        .map(|failed| (failed.key.as_str(), failed.class))
        .collect();
    assert_eq!(
        failed,
        [
            ("gone.jpg", FailureClass::NotFound),
            ("replaced.jpg", FailureClass::Changed),
            ("archived.jpg", FailureClass::Archived),
            ("denied.jpg", FailureClass::AccessDenied),
            (long_key.as_str(), FailureClass::KeyTooLong),
        ]
    );
    assert!(
        response.failed[0].error.contains("s3://photos/gone.jpg"),
        "{}",
        response.failed[0].error
    );
    assert_eq!(cloud.records(RECORDS).len(), 2);
}

#[tokio::test]
async fn odd_files_are_ok() {
    let cloud = Cloud::start(&[]).await;
    let half = PHOTOS[0].len() / 2;
    let text = vec![b'a'; 20 * 1024 * 1024];
    let objects = [
        cloud.put("empty.jpg", ""),
        cloud.put("text.jpg", text),
        cloud.put("half.jpg", &PHOTOS[0][..half]),
        cloud.put("stub.jpg", &PHOTOS[0][..20]),
    ];
    let response = cloud.chunk("copy", &objects).await;
    assert_eq!(response.ok, 4, "{:?}", response.failed);
    let [empty, text, half_record, stub] = cloud.records(RECORDS).try_into().unwrap();
    assert_eq!((&empty["format"], &empty["exif"]), (&json!("unknown"), &Value::Null));
    assert_eq!(text["format"], "unknown");
    assert!(half_record["exif"]["make"].is_string());
    assert_eq!(stub["exif"], Value::Null);
    assert!(stub["warnings"].to_string().contains("ends before"), "{stub}");
    // Only the front is read of a file that is not an image.
    let front = 128 * 1024;
    assert_eq!(response.usage.bytes_read, front + half as u64 + 20);
    assert_eq!(cloud.output("images/text.jpg").unwrap().body.len(), 20 * 1024 * 1024);
}

#[tokio::test]
async fn more_is_read_if_the_front_does_not_hold_the_exif() {
    let cloud = Cloud::start(&[]).await;
    let late = exif_after(200 * 1024);
    let object = cloud.put("late.jpg", late.clone());
    let response = cloud.chunk("copy", &[object]).await;
    assert_eq!((response.ok, response.with_exif), (1, 1));
    assert_eq!(response.usage.requests.get, 2);
    // The front ends inside a segment. The rest of this segment is not read.
    let passed_over = 0x8004 - (128 * 1024 - 2) % 0x8004;
    assert_eq!(response.usage.bytes_read, late.len() as u64 - passed_over);
}

#[tokio::test]
async fn only_the_front_and_the_exif_of_a_large_image_are_read() {
    let cloud = Cloud::start(&[("FRONT_BYTES", "4096")]).await;
    // A TIFF whose only table has one field and lies behind the image data.
    let data = 5 * 1024 * 1024;
    let table = b"\x01\0\x0F\x01\x02\0\x04\0\0\0Abc\0\0\0\0\0";
    let offset = u32::try_from(8 + data).unwrap().to_le_bytes();
    let tiff = [b"II*\0", &offset[..], &vec![0x55; data], table].concat();
    let objects = [cloud.put("a.jpg", PHOTOS[0].clone()), cloud.put("b.tif", tiff)];
    let response = cloud.chunk("copy", &objects).await;
    assert_eq!((response.ok, response.with_exif), (2, 2));
    assert_eq!(response.usage.requests.get, 3);
    assert_eq!(response.usage.bytes_read, 2 * 4096 + table.len() as u64);
    let [photo, tiff] = cloud.records(RECORDS).try_into().unwrap();
    assert!(photo["exif"]["make"].is_string());
    assert_eq!(
        (&tiff["format"], &tiff["exif"]),
        (&json!("tiff"), &json!({"make": "Abc"}))
    );
}

#[tokio::test]
async fn a_record_has_at_most_as_many_bytes_as_the_setting_says() {
    // A TIFF with a make of 40,000 bytes.
    let table = b"II*\0\x08\0\0\0\x01\0\x0F\x01\x02\0\x40\x9C\0\0\x1A\0\0\0\0\0\0\0";
    let tiff = [&table[..], &vec![b'x'; 40_000]].concat();
    for (limit, fits) in [("100000", true), ("16384", false)] {
        let cloud = Cloud::start(&[("MAX_RECORD_BYTES", limit)]).await;
        let objects = [cloud.put("a.tif", tiff.clone())];
        assert_eq!(cloud.chunk("none", &objects).await.ok, 1);
        let [record] = cloud.records(RECORDS).try_into().unwrap();
        assert_eq!(record["tags"]["IFD0:Make"].is_string(), fits, "{limit}");
        let omitted = record["omitted"].as_array().unwrap();
        assert_eq!(
            omitted.iter().any(|line| line.as_str().unwrap().ends_with("to fit")),
            !fits
        );
    }
}

#[tokio::test]
async fn an_object_replaced_between_two_reads_is_changed() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("late.jpg", exif_after(200 * 1024));
    let objects = [object];
    cloud.gate.hold("GET", "late.jpg");
    let (response, ()) = tokio::join!(cloud.chunk("none", &objects), async {
        cloud.gate.held(1).await;
        cloud.gate.open();
        cloud.gate.hold("GET", "late.jpg");
        cloud.gate.held(1).await;
        cloud.put("late.jpg", exif_after(300 * 1024));
        cloud.gate.open();
    });
    assert_eq!(response.failed[0].class, FailureClass::Changed, "{:?}", response.failed);
    assert_eq!(response.usage.requests.get, 2);
}

/// A photo whose EXIF comes after at least `bytes` of other segments.
fn exif_after(bytes: usize) -> Vec<u8> {
    let filler = [&[0xFF, 0xE2, 0x80, 0x02][..], &vec![0; 0x8000]].concat();
    let fillers = filler.repeat(bytes / filler.len() + 1);
    [&PHOTOS[0][..2], &fillers, &PHOTOS[0][2..]].concat()
}

#[tokio::test]
async fn an_attempt_that_was_given_up_does_not_count() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    let fence = Object::new(Vec::new().into(), Headers::default());
    cloud.server.store.load("photos-out", RECORDS, fence);
    let error = cloud.invoke(chunk("copy", &[object])).await.unwrap_err();
    assert!(matches!(error, Error::AttemptGivenUp { .. }), "{error}");
    assert!(cloud.output(RECORDS).unwrap().body.is_empty());
}

#[tokio::test]
async fn a_destination_that_cannot_be_written_fails_the_invocation() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    cloud.server.faults.deny("PutObject", "records/");
    let error = cloud.invoke(chunk("none", &[object])).await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
}

#[tokio::test]
async fn throttled_requests_are_counted_and_fail_no_image() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "a.jpg".to_owned(),
        effect: Effect::Error(S3ErrorCode::SlowDown),
        after: 0,
        times: 2,
    });
    let response = cloud.chunk("none", &[object]).await;
    assert_eq!(
        (response.ok, response.usage.throttled, response.usage.requests.get),
        (1, 2, 3)
    );
    let diagnosis = response.diagnosis.unwrap();
    assert_eq!(diagnosis.bottleneck, Bottleneck::S3Rate, "{diagnosis:?}");
    // S3 throttled two of four requests: three reads and one write.
    assert!(
        diagnosis
            .advice
            .as_ref()
            .unwrap()
            .starts_with("S3 throttled 50 % of the requests"),
        "{diagnosis:?}"
    );
}

#[tokio::test]
async fn a_storm_of_throttled_requests_fails_no_image() {
    let cloud = Cloud::start(&[]).await;
    let objects: Vec<Value> = (0..130)
        .map(|n| cloud.put(&format!("{n}.jpg"), &PHOTOS[0][..20]))
        .collect();
    // With its default settings, the SDK would stop retrying after a hundred.
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: String::new(),
        effect: Effect::Error(S3ErrorCode::SlowDown),
        after: 0,
        times: 130,
    });
    let mut request = chunk("none", &objects);
    request["concurrency"] = json!(130);
    let response: ChunkResponse = serde_json::from_value(cloud.invoke(request).await.unwrap()).unwrap();
    assert_eq!(
        (response.ok, response.usage.throttled),
        (130, 130),
        "{:?}",
        response.failed
    );
}

#[tokio::test]
async fn an_invalid_chunk_is_rejected() {
    let cloud = Cloud::start(&[]).await;
    let object = cloud.put("a.jpg", PHOTOS[0].clone());
    let with = |field: &str, value: Value| {
        let mut request = chunk("copy", std::slice::from_ref(&object));
        request[field] = value;
        request
    };
    for (request, part) in [
        (
            with("source_prefix", json!("2024/")),
            "outside the source s3://photos/2024/",
        ),
        (with("destination", json!("s3://photos/")), "lies inside the source"),
        (with("source_bucket", json!("Photos")), "not a bucket name"),
        (with("concurrency", json!(0)), "concurrency: 0"),
        (with("max_requests_per_second", json!(0)), "max_requests_per_second: 0"),
        (
            with("attempt", json!("one")),
            "attempt: \"one\" is not an attempt number",
        ),
        (with("images", json!("sharpen")), "unknown variant `sharpen`"),
    ] {
        let error = cloud.invoke(request).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_field_of_a_newer_fanout_is_ignored() {
    let cloud = Cloud::start(&[]).await;
    let mut object = cloud.put("a.jpg", PHOTOS[0].clone());
    object["added_later"] = json!(1);
    let mut request = chunk("copy", &[object]);
    request["added_later"] = json!({"a": "b"});
    let response = cloud.invoke(request).await.unwrap();
    assert_eq!(response["ok"], 1, "{response}");
}
