//! Jobs that strip images.

use std::time::Duration;

use local::dataset;
use serde_json::json;
use shared::metadata::read_whole;

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
