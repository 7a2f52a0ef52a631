//! Jobs that strip images.

use std::time::Duration;

use local::dataset;
use serde_json::json;
use shared::metadata::read_whole;
use shared::protocol::job::{Report, State};

use crate::cloud::Cloud;

const IMAGES: usize = 30;

#[tokio::test]
async fn a_job_strips_each_image_once_and_skips_what_is_current() {
    let cloud = Cloud::start().await;
    for index in 0..IMAGES {
        cloud.put(&format!("2024/{index:02}.jpg"), &dataset::photo(index).unwrap());
    }
    cloud.put("2024/b.gif", b"not a picture");
    cloud.put("2024/c.nef", b"ignored");
    let mut fields = json!({"images": "strip", "strip": "location", "chunk_keys": 7, "skip_current": true});
    let report = cloud.run(fields.clone()).await.unwrap();
    assert_eq!(
        (report.ok, report.failed, report.ignored),
        (IMAGES as u64, 1, 1),
        "{report:?}"
    );
    let outputs = cloud.server.store.keys("photos-out", "images/");
    assert_eq!(outputs.len(), IMAGES);
    let mut with_make = 0;
    for key in &outputs {
        let mut object = (*cloud.server.store.get("photos-out", key).unwrap()).clone();
        let exif = read_whole(object.body.bytes()).exif.unwrap_or_default();
        assert!(exif.gps.is_none(), "{key}");
        with_make += usize::from(exif.make.is_some());
        object.last_modified += Duration::from_mins(1);
        cloud.server.store.load("photos-out", key, object);
    }
    assert!(
        with_make > IMAGES / 2 && report.found.with_gps > 0,
        "{with_make}, {report:?}"
    );
    fields["job_id"] = json!("again");
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.skipped), (0, IMAGES as u64), "{report:?}");
}

#[tokio::test]
async fn records_and_jobs_go_where_the_images_are_not() {
    let cloud = Cloud::start().await;
    cloud.server.store.create_bucket("private");
    for index in 0..IMAGES {
        cloud.put(&format!("{index:02}.jpg"), &dataset::photo(index).unwrap());
    }
    cloud.put("b.gif", b"not a picture");
    let records_destination = "s3://private/2024/";
    for records in ["sidecar", "ndjson"] {
        let fields = json!({
            "images": "strip", "records": records, "records_destination": records_destination, "job_id": records,
        });
        let report = cloud.run(fields).await.unwrap();
        assert_eq!((report.ok, report.failed), (IMAGES as u64, 1), "{report:?}");
        assert_eq!(report.records_destination, Some(records_destination.parse().unwrap()));
    }
    let keys = |bucket: &str, prefix: &str| cloud.server.store.keys(bucket, prefix);
    assert_eq!(keys("photos-out", "").len(), IMAGES);
    assert_eq!(keys("photos-out", "images/").len(), IMAGES);
    assert_eq!(keys("private", "2024/sidecars/").len(), IMAGES);
    assert!(!keys("private", "2024/records/job=ndjson/").is_empty());
    let others = keys("private", "");
    assert!(others.iter().all(|key| key.starts_with("2024/")), "{others:?}");
    // Whoever asks about the job names the same places.
    let status = json!({"action": "status", "job_id": "ndjson", "records_destination": records_destination});
    let status = cloud.run(status).await.unwrap();
    assert_eq!((status.state, status.ok), (State::Completed, IMAGES as u64));
    let file = cloud.server.store.get("private", "2024/jobs/ndjson/job.json").unwrap();
    let written: Report = serde_json::from_slice(&file.body.bytes()).unwrap();
    assert_eq!(written, status);
    let unknown = cloud
        .run(json!({"action": "status", "job_id": "ndjson"}))
        .await
        .unwrap_err();
    assert!(
        unknown
            .to_string()
            .contains("there is no job ndjson in s3://photos-out/"),
        "{unknown}"
    );
    let redrive = json!({
        "action": "redrive", "parent": "ndjson", "job_id": "redrive", "records_destination": records_destination,
    });
    let redrive = cloud.run(redrive).await.unwrap();
    assert_eq!((redrive.listed, redrive.failed), (1, 1), "{redrive:?}");
    assert_eq!(redrive.records_destination, status.records_destination);
}
