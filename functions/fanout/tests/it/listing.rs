//! Listings of stores that answer otherwise than one expects, and of stores that do not do what S3 does.

use local::s3::{Effect, Fault};
use serde_json::json;
use shared::protocol::job::State;

use crate::cloud::{Cloud, TINY};

impl Cloud {
    fn list_fault(&self, prefix: &str, effect: Effect, after: usize, times: usize) {
        self.server.faults.add(Fault {
            operation: "ListObjectsV2",
            key_contains: prefix.to_owned(),
            effect,
            after,
            times,
        });
    }
}

/// Keys that are split into many ranges.
fn put_keys(cloud: &Cloud) {
    for number in 0..8_640 {
        cloud.put(
            &format!("{}/{:02}/{number:05}.jpg", 2010 + number % 12, number % 31),
            &TINY,
        );
    }
}

#[tokio::test]
async fn no_key_is_lost_when_pages_are_empty_or_short() {
    let cloud = Cloud::start().await;
    put_keys(&cloud);
    for (effect, after) in [(Effect::EmptyPage, 2), (Effect::ShortPage, 9), (Effect::EmptyPage, 14)] {
        cloud.list_fault("", effect, after, 20);
    }
    let report = cloud.run(json!({"images": "none"})).await.unwrap();
    assert_eq!(report.listed, 8_640, "{report:?}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn a_redrive_finds_failed_keys_behind_empty_pages() {
    let cloud = Cloud::start().await;
    cloud.put_many(50);
    cloud.server.faults.deny("GetObject", "7.jpg");
    let report = cloud.run(json!({"images": "none"})).await.unwrap();
    assert_eq!(report.failed, 5, "{report:?}");
    cloud.server.faults.clear();
    cloud.list_fault("failed/", Effect::EmptyPage, 0, 3);
    let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again", "source": null});
    let report = cloud.run(redrive).await.unwrap();
    assert_eq!((report.listed, report.ok), (5, 5), "{report:?}");
}

#[tokio::test]
async fn outputs_behind_empty_pages_are_found() {
    let cloud = Cloud::start().await;
    cloud.put_many(30);
    cloud.run(json!({})).await.unwrap();
    for number in 0..30 {
        let key = format!("images/{number:05}.jpg");
        let mut copy = (*cloud.server.store.get("photos-out", &key).unwrap()).clone();
        copy.last_modified += std::time::Duration::from_secs(5);
        cloud.server.store.load("photos-out", &key, copy);
    }
    cloud.list_fault("images/", Effect::EmptyPage, 0, 5);
    let report = cloud
        .run(json!({"job_id": "second", "skip_current": true}))
        .await
        .unwrap();
    assert_eq!((report.skipped, report.ok), (30, 0), "{report:?}");
    assert!(report.requests.list < 20, "{report:?}");
}

#[tokio::test]
async fn a_listing_that_is_not_in_key_order_ends_the_job() {
    for (effect, problem) in [
        (Effect::NoStartAfter, "were asked for (start-after)"),
        (Effect::FromStartAfter, "were asked for (start-after)"),
    ] {
        let cloud = Cloud::start().await;
        for number in 0..1_500 {
            cloud.put(&format!("{number:05}.jpg"), &TINY);
        }
        cloud.list_fault("", effect.clone(), 0, usize::MAX);
        let report = cloud.run(json!({"images": "none"})).await.unwrap();
        assert_eq!(report.state, State::Aborted, "{effect:?}: {report:?}");
        assert!(
            report.reason.as_ref().unwrap().contains(problem),
            "{effect:?}: {report:?}"
        );
        assert!(report.listed <= 1_500 && report.requests.list < 100, "{report:?}");
        cloud.check(&report);
    }
}

#[tokio::test]
async fn pages_that_stay_empty_end_the_job() {
    let cloud = Cloud::start().await;
    cloud.put_many(5);
    cloud.list_fault("", Effect::NoProgress, 0, usize::MAX);
    let error = cloud.run(json!({"images": "none"})).await.unwrap_err().to_string();
    assert!(error.contains("the same continuation token came twice"), "{error}");
}

#[tokio::test]
async fn outputs_that_cannot_be_listed_end_the_job() {
    let cloud = Cloud::start().await;
    cloud.put_many(5);
    cloud.put_out("images/00003.jpg", TINY);
    cloud.list_fault("images/", Effect::NoProgress, 0, usize::MAX);
    let error = cloud.run(json!({"skip_current": true})).await.unwrap_err().to_string();
    assert!(error.contains("the same continuation token came twice"), "{error}");
}

#[tokio::test]
async fn keys_are_decoded_only_if_they_are_encoded() {
    for effect in [None, Some(Effect::PlainKeys)] {
        let cloud = Cloud::start().await;
        for key in ["a+b.jpg", "a b.jpg", "a%20b.jpg", "é.jpg"] {
            cloud.put(key, &TINY);
        }
        if let Some(effect) = effect {
            cloud.list_fault("", effect, 0, usize::MAX);
        }
        let report = cloud.run(json!({})).await.unwrap();
        assert_eq!((report.listed, report.ok), (4, 4), "{report:?}");
        cloud.check_all(&report);
    }
}

#[tokio::test]
async fn a_key_that_is_not_utf8_fails_alone() {
    let cloud = Cloud::start().await;
    put_keys(&cloud);
    // The server sends U+FFFD as a byte that is not UTF-8.
    for key in [
        "2013/\u{FFFD}.jpg",
        "2015/\u{FFFD}.txt",
        "2021/31/\u{FFFD}.jpg",
        "\u{FFFD}.jpg",
    ] {
        cloud.put(key, &TINY);
    }
    cloud.list_fault("", Effect::NotUtf8, 0, usize::MAX);
    let report = cloud.run(json!({"images": "none"})).await.unwrap();
    assert_eq!(
        (report.listed, report.ignored, report.ok, report.failed),
        (8_644, 1, 8_640, 3),
        "{report:?}"
    );
    cloud.check(&report);
    let failed = ["%FF.jpg", "2013/%FF.jpg", "2021/31/%FF.jpg"].map(|key| (key.to_owned(), "internal".to_owned()));
    let mut found = cloud.failed("job");
    found.sort();
    assert_eq!(found, failed);
}

#[tokio::test]
async fn a_row_of_an_inventory_that_is_not_utf8_fails_alone() {
    let cloud = Cloud::start().await;
    cloud.put("a.jpg", &TINY);
    let manifest = json!({
        "sourceBucket": "photos", "destinationBucket": "arn:aws:s3:::lists", "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size", "files": [{"key": "1.csv"}],
    });
    for (key, body) in [
        ("manifest.json", manifest.to_string()),
        (
            "1.csv",
            "\"photos\",\"%FF.jpg\",\"6\"\n\"photos\",\"a.jpg\",\"6\"\n".to_owned(),
        ),
    ] {
        let object = local::s3::Object::new(body.into_bytes().into(), local::s3::Headers::default());
        cloud.server.store.load("lists", key, object);
    }
    let report = cloud
        .run(json!({"manifest": "s3://lists/manifest.json"}))
        .await
        .unwrap();
    assert_eq!((report.listed, report.ok, report.failed), (2, 1, 1), "{report:?}");
    cloud.check(&report);
}
