//! Whole jobs in which responses of S3 are wrong or lost, or are errors that pass.

use std::collections::BTreeMap;

use local::dataset;
use local::s3::{Effect, Fault, Headers, Object};
use serde_json::json;

use crate::cloud::Cloud;

const MIB: u64 = 1024 * 1024;
const SMALL: u64 = 20_000;
/// Longer than what is read first.
const LARGE: u64 = 300_000;

/// The faults of one mode: the operation that has it, what happens, and the length of the image.
fn faults(mode: &str) -> Vec<(&'static str, Effect, u64)> {
    let mut faults: Vec<_> = [
        Effect::Shorter,
        Effect::NoBytes,
        Effect::NoETag,
        Effect::Cut,
        Effect::Endless,
    ]
    .into_iter()
    .flat_map(|effect| [SMALL, LARGE].map(|len| ("GetObject", effect.clone(), len)))
    .collect();
    faults.push(("GetObject", Effect::Flipped, SMALL));
    let (write, part, in_parts) = match mode {
        "copy" => ("CopyObject", "UploadPartCopy", 6 * 1024 * MIB),
        "upload" => ("PutObject", "UploadPart", 65 * MIB),
        _ => {
            faults.push(("GetObject", Effect::OtherRange, LARGE));
            return faults;
        }
    };
    let passing = [
        Effect::Status(400, Some("KMS.ThrottlingException")),
        Effect::Status(403, Some("RequestTimeTooSkewed")),
        Effect::Status(408, None),
        Effect::Status(409, Some("OperationAborted")),
        Effect::Status(429, None),
    ];
    let wrong = [Effect::Nothing, Effect::NoETag, Effect::Cut];
    let within = ["InternalError", "ServiceUnavailable"].map(Effect::ErrorWithin);
    let of = |operation, len| move |effect: &Effect| (operation, effect.clone(), len);
    faults.extend(passing.iter().chain(&wrong).map(of(write, SMALL)));
    faults.extend(wrong[..2].iter().map(of(part, in_parts)));
    faults.extend(wrong.iter().map(of("CompleteMultipartUpload", in_parts)));
    let vanished = Effect::Status(404, Some("NoSuchUpload"));
    faults.push(("CompleteMultipartUpload", vanished, in_parts));
    // S3 sends errors within a response only for operations that take long.
    faults.extend(within.iter().map(of("CompleteMultipartUpload", in_parts)));
    if mode == "copy" {
        faults.push(("GetObject", Effect::OtherRange, LARGE));
        faults.extend(within.iter().map(of(write, SMALL)));
    }
    faults
}

/// Puts one image for each fault. Returns the keys with their operations and effects.
fn put_images(cloud: &Cloud, faults: Vec<(&'static str, Effect, u64)>) -> BTreeMap<String, (&'static str, Effect)> {
    let photo = dataset::photo(0).unwrap();
    let puts = faults
        .into_iter()
        .enumerate()
        .map(|(number, (operation, effect, len))| {
            let key = format!("{number:02}.jpg");
            let object = match len {
                SMALL | LARGE => {
                    let mut photo = photo.clone();
                    photo.resize(usize::try_from(len).unwrap(), 0);
                    Object::new(photo.into(), Headers::default())
                }
                _ => Object::long(photo.clone().into(), len, Headers::default()),
            };
            cloud.server.store.load("photos", &key, object);
            (key, (operation, effect))
        });
    puts.collect()
}

fn fault(cloud: &Cloud, key: &str, operation: &'static str, effect: Effect, times: usize) {
    cloud.server.faults.add(Fault {
        operation,
        key_contains: key.to_owned(),
        effect,
        after: 0,
        times,
    });
}

/// Checks the image of each key, and its record.
fn check_images(cloud: &Cloud, mode: &str, images: &BTreeMap<String, (&'static str, Effect)>) {
    let records = cloud.lines("records/job=job/");
    for (key, fault) in images {
        let source = cloud.server.store.get("photos", key).unwrap();
        let record = records.iter().find(|record| record["key"] == key.as_str()).unwrap();
        assert_eq!(record["etag"], source.etag, "{mode} {fault:?}");
        assert_eq!(record["size"], source.body.len(), "{mode} {fault:?}");
        assert_eq!(record["format"], "jpeg", "{mode} {fault:?}");
        assert!(record["exif"].is_object(), "{mode} {fault:?}: {record}");
        let output = cloud.server.store.get("photos-out", &format!("images/{key}"));
        match output {
            Some(output) => assert!(output.body == source.body, "{mode} {fault:?}"),
            None => assert_eq!(mode, "none", "{fault:?}"),
        }
    }
    assert_eq!(cloud.server.store.uploads("photos-out"), 0, "{mode}");
}

#[tokio::test]
async fn wrong_responses_lose_and_change_nothing() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start().await;
        let images = put_images(&cloud, faults(mode));
        for (key, (operation, effect)) in &images {
            let times = match effect {
                // Two reads that are wrong in the same way would agree with each other, and a second upload that
                // vanished is not replaced by a third one.
                Effect::Flipped | Effect::Status(404, _) => 1,
                _ => 2,
            };
            fault(&cloud, key, operation, effect.clone(), times);
        }
        let report = cloud
            .run(json!({"images": mode, "chunk_keys": 7, "max_bytes": 10_u64 << 30}))
            .await
            .unwrap();
        assert_eq!(
            (report.ok, report.failed),
            (images.len() as u64, 0),
            "{mode}: {:?}",
            cloud.lines("jobs/job/failed/")
        );
        cloud.check_all(&report);
        check_images(&cloud, mode, &images);
    }
}

#[tokio::test]
async fn images_that_are_always_read_wrongly_fail_alone() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start().await;
        let reads = faults(mode).into_iter().filter(|(operation, effect, _)| {
            // These two become right: a second read agrees with the first, or the rest is read.
            *operation == "GetObject" && !matches!(effect, Effect::Flipped | Effect::Cut)
        });
        let wrong = put_images(&cloud, reads.collect());
        for (key, (operation, effect)) in &wrong {
            fault(&cloud, key, operation, effect.clone(), usize::MAX);
        }
        let right = BTreeMap::from([("right.jpg".to_owned(), ("GetObject", Effect::Cut))]);
        let object = Object::long(dataset::photo(0).unwrap().into(), LARGE, Headers::default());
        cloud.server.store.load("photos", "right.jpg", object);
        let report = cloud.run(json!({"images": mode})).await.unwrap();
        cloud.check_all(&report);
        let mut failed = cloud.failed("job");
        failed.sort();
        let expected: Vec<_> = wrong.keys().map(|key| (key.clone(), "corrupt".to_owned())).collect();
        assert_eq!(failed, expected, "{mode}");
        check_images(&cloud, mode, &right);
        assert_eq!(
            cloud.server.store.keys("photos-out", "images/").len(),
            usize::from(mode != "none"),
            "{mode}"
        );
    }
}
