//! Manifests, and outputs that are newer than their images.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanout::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use local::s3::{Effect, Fault, Headers, Object};
use serde_json::{Value, json};
use shared::protocol::job::State;

use crate::cloud::{Cloud, TINY, TINY_WITH_EXIF};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

impl Cloud {
    fn put_list(&self, key: &str, body: impl Into<Vec<u8>>) {
        let object = Object::new(body.into().into(), Headers::default());
        self.server.store.load("lists", key, object);
    }

    /// Puts a manifest of S3 Inventory, in the form that AWS documents.
    fn put_inventory(&self, format: &str, schema: &str, files: &[&str]) {
        let files: Vec<Value> = files
            .iter()
            .map(|key| json!({"key": key, "size": 2147, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}))
            .collect();
        let manifest = json!({
            "sourceBucket": "photos",
            "destinationBucket": "arn:aws:s3:::lists",
            "version": "2016-11-30",
            "creationTimestamp": "1514944800000",
            "fileFormat": format,
            "fileSchema": schema,
            "files": files,
        });
        self.put_list("inventory/manifest.json", manifest.to_string());
    }

    fn etag(&self, key: &str) -> String {
        self.server.store.get("photos", key).unwrap().etag.clone()
    }
}

const INVENTORY: &str = "s3://lists/inventory/manifest.json";

#[tokio::test]
async fn an_inventory_replaces_the_listing() {
    let cloud = Cloud::start().await;
    let keys: Vec<String> = (0..2_400).map(|number| format!("a b+%é/{number:04}.jpg")).collect();
    for key in &keys {
        cloud.put(key, &TINY);
    }
    // A new object is not in the inventory.
    cloud.put("new.jpg", &TINY);
    let row = |key: &String| {
        let encoded = key
            .replace('%', "%25")
            .replace('+', "%2B")
            .replace(' ', "+")
            .replace('é', "%C3%A9");
        let etag = cloud.etag(key);
        format!("\"photos\",\"{encoded}\",\"\",\"true\",\"false\",\"6\",\"2026-01-01T00:00:00.000Z\",\"{etag}\"\n")
    };
    let rows: Vec<String> = keys.iter().map(row).collect();
    let old = "\"photos\",\"old.jpg\",\"v0\",\"false\",\"false\",\"6\",\"2025-01-01T00:00:00.000Z\",\"e\"\n";
    cloud.put_list("data/1.csv.gz", gzip(&(rows[..1_500].concat() + old)));
    cloud.put_list("data/2.csv.gz", gzip(&rows[1_500..].concat()));
    let schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag";
    cloud.put_inventory("CSV", schema, &["data/1.csv.gz", "data/2.csv.gz"]);
    let report = cloud
        .run(json!({"manifest": INVENTORY, "chunk_keys": 300}))
        .await
        .unwrap();
    assert_eq!(
        (report.listed, report.ignored, report.ok),
        (2_401, 1, 2_400),
        "{report:?}"
    );
    // One HEAD for each list, and one to look for lists of failed keys.
    assert_eq!((report.requests.list, report.requests.head), (0, 3));
    cloud.check(&report);
    assert!(cloud.records("job").keys().eq(keys.iter()));
}

#[tokio::test]
async fn own_lists_need_only_keys() {
    for (name, body) in [
        (
            "keys.csv",
            "key\nb.jpg\n\na.jpg\nb.jpg\nempty.jpg\ntext.txt\ngone.jpg\n"
                .as_bytes()
                .to_vec(),
        ),
        (
            "keys.ndjson.gz",
            gzip(concat!(
                "{\"key\": \"b.jpg\"}\n{\"key\": \"a.jpg\", \"size\": 40, \"class\": \"timeout\"}\n{\"key\": \"b.jpg\"}\n",
                "{\"key\": \"empty.jpg\"}\n{\"key\": \"text.txt\"}\n{\"key\": \"gone.jpg\"}"
            )),
        ),
    ] {
        for images in ["copy", "upload"] {
            let cloud = Cloud::start().await;
            cloud.put("a.jpg", TINY_WITH_EXIF);
            cloud.put("b.jpg", TINY_WITH_EXIF);
            cloud.put("c.jpg", TINY_WITH_EXIF);
            cloud.put("empty.jpg", b"");
            cloud.put_list(name, body.clone());
            let request = json!({"manifest": format!("s3://lists/{name}"), "images": images});
            let report = cloud.run(request).await.unwrap();
            // Ignored are a duplicate and a key without the extension of an image. The object that does not exist has
            // failed.
            assert_eq!(
                (report.listed, report.ignored, report.ok),
                (6, 2, 3),
                "{name} {images}: {report:?}"
            );
            assert_eq!(report.with_exif, 2);
            assert_eq!(cloud.failed("job"), [("gone.jpg".to_owned(), "not_found".to_owned())]);
            cloud.check(&report);
        }
    }
}

#[tokio::test]
async fn a_key_with_a_line_break_may_be_quoted() {
    let cloud = Cloud::start().await;
    for key in ["a.jpg", "line\nbreak, \"quoted\".jpg", "z.jpg"] {
        cloud.put(key, &TINY);
    }
    cloud.put_list(
        "keys.csv",
        "key,size\r\n\"line\nbreak, \"\"quoted\"\".jpg\",6\r\nz.jpg,\r\n",
    );
    let report = cloud.run(json!({"manifest": "s3://lists/keys.csv"})).await.unwrap();
    assert_eq!((report.listed, report.ok), (2, 2), "{report:?}");
    cloud.check(&report);
    let records = cloud.records("job");
    assert!(
        records.keys().eq(["line\nbreak, \"quoted\".jpg", "z.jpg"]),
        "{records:?}"
    );
}

#[tokio::test]
async fn an_error_of_a_manifest_says_what_would_be_right() {
    let cloud = Cloud::start().await;
    cloud.put_many(3);
    cloud.put_inventory("Parquet", "message s3.inventory { required binary key; }", &[]);
    let refused = async |manifest: &str, part: &str| {
        let error = cloud.run(json!({"manifest": manifest})).await.unwrap_err().to_string();
        assert!(
            error.starts_with("manifest: ") && error.contains(part),
            "{manifest}: {error}"
        );
    };
    refused(INVENTORY, "reads only CSV; choose CSV").await;
    refused("s3://lists/a.parquet", "choose CSV").await;
    refused("s3://lists/keys.txt", "must end in manifest.json").await;
    refused("s3://lists/none/manifest.json", "NotFound").await;
    cloud.put_inventory("CSV", "Bucket, Size", &[]);
    refused(INVENTORY, "no column Key").await;
    cloud.put_list("inventory/manifest.json", "{\"sourceBucket\": \"other\"}");
    refused(INVENTORY, "is not a manifest of S3 Inventory: missing field").await;
    assert!(cloud.server.store.keys("photos-out", "").is_empty());
}

#[tokio::test]
async fn an_error_of_a_list_names_the_line() {
    let cloud = Cloud::start().await;
    // A problem in the first rows is an error before any work.
    for (list, part) in [
        ("", "s3://lists/bad.csv is empty: its first line must name the columns"),
        (
            "name,size\na.jpg,1\n",
            "line 1: the first line must name the columns, including key",
        ),
        (
            "key,size\na.jpg\n",
            "line 2: the row has 1 fields, but there are 2 columns",
        ),
        ("key\n\"a\nb.jpg\n", "line 2: a quoted field has no closing quote"),
        (
            &format!("key\n\"{}", "a\n".repeat(100_000)),
            "line 2: the row is longer than 65536 bytes",
        ),
    ] {
        cloud.put_list("bad.csv", list);
        let error = cloud.run(json!({"manifest": "s3://lists/bad.csv"})).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(cloud.server.store.keys("photos-out", "").is_empty());
    // A later problem ends the job. The rows before it count.
    let rows: Vec<String> = (0..1_500)
        .map(|number| format!("{{\"key\": \"{number:05}.jpg\"}}\n"))
        .collect();
    cloud.put_list("late.ndjson", rows.concat() + "{\"key\": \"cut of");
    cloud.put_many(1_500);
    let report = cloud.run(json!({"manifest": "s3://lists/late.ndjson"})).await.unwrap();
    assert_eq!((report.state, report.listed), (State::Aborted, 1_000), "{report:?}");
    assert!(
        report
            .reason
            .as_ref()
            .unwrap()
            .contains("late.ndjson, line 1501: not a JSON object"),
        "{report:?}"
    );
    cloud.check(&report);
    // A redrive does not continue with a list that was replaced.
    cloud.put_list("late.ndjson", "");
    let error = cloud
        .run(json!({"action": "redrive", "parent": "job", "job_id": "again"}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("PreconditionFailed"), "{error}");
}

/// A time in the past, plus `seconds`.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

impl Cloud {
    fn put_at(&self, bucket: &str, key: &str, last_modified: SystemTime) {
        let mut object = Object::new(TINY.to_vec().into(), Headers::default());
        object.last_modified = last_modified;
        self.server.store.load(bucket, key, object);
    }
}

#[tokio::test]
async fn a_current_output_costs_no_request() {
    let cloud = Cloud::start().await;
    for number in 0..2_300 {
        let key = format!("{number:05}.jpg");
        cloud.put_at("photos", &key, at(0));
        cloud.put_at("photos-out", &format!("images/{key}"), at(1));
    }
    cloud.put_at("photos", "notes.txt", at(0));
    cloud.put_at("photos-out", "images/notes.txt", at(1));
    // An output is only current if it is strictly newer than its image, because S3 keeps whole seconds.
    cloud.put_at("photos-out", "images/00042.jpg", at(0));
    cloud.put_at("photos", "01000.jpg", at(9));
    cloud.server.store.delete("photos-out", "images/02000.jpg");
    cloud.put_at("photos", "1.jpg", at(0));
    // Outputs of other sources.
    for number in 0..3_000 {
        cloud.put_at("photos-out", &format!("images/00700.jpg/{number}.jpg"), at(1));
    }
    let report = cloud.run(json!({"skip_current": true})).await.unwrap();
    assert_eq!(
        (report.listed, report.ignored, report.skipped, report.ok),
        (2_302, 1, 2_297, 4),
        "{report:?}"
    );
    assert_eq!((report.requests.get, report.requests.copy), (4, 4), "{report:?}");
    // Three pages of the source, six or seven pages of the outputs, and a few requests to split.
    assert!(report.requests.list < 25, "{report:?}");
    let done = cloud.records("job");
    assert!(
        done.keys().eq(["00042.jpg", "01000.jpg", "02000.jpg", "1.jpg"]),
        "{done:?}"
    );
    cloud.check(&report);
}

#[tokio::test]
async fn output_keys_are_relative_to_the_last_slash_of_the_source() {
    let cloud = Cloud::start().await;
    for number in 0..30 {
        cloud.put_at("photos", &format!("2024/0{number:02}/a.jpg"), at(0));
        cloud.put_at("photos-out", &format!("images/0{number:02}/a.jpg"), at(1));
    }
    cloud.put_at("photos", "2024/00/b.jpg", at(0));
    let fields = json!({"source": "s3://photos/2024/0", "skip_current": true});
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.skipped, report.ok), (30, 1), "{report:?}");
    cloud.check(&report);
}

#[tokio::test]
async fn a_plan_counts_and_changes_nothing() {
    let cloud = Cloud::start().await;
    cloud.put_many(2_300);
    cloud.put("notes.txt", b"no image");
    let Response::Estimate(plan) = cloud
        .response(json!({"action": "plan", "chunk_keys": 210}))
        .await
        .unwrap()
    else {
        panic!("a plan should respond with an estimate");
    };
    assert!(plan.listing_finished);
    assert_eq!((plan.listed, plan.ignored, plan.images), (2_301, 1, 2_300));
    assert_eq!((plan.chunks, plan.requests.get, plan.requests.copy), (11, 2_300, 2_300));
    assert!(
        plan.cost_usd.total > 0.008 && plan.cost_usd.total < 0.02,
        "{:?}",
        plan.cost_usd
    );
    assert!(cloud.server.store.keys("photos-out", "").is_empty());
    // The job makes as many chunks and copies.
    let report = cloud.run(json!({"chunk_keys": 210})).await.unwrap();
    assert_eq!((report.chunks, report.requests.copy), (plan.chunks, plan.requests.copy));
}

#[tokio::test]
async fn a_list_whose_body_stalls_or_breaks_off_is_read_again() {
    for effect in [Effect::Stall, Effect::Cut] {
        let cloud = Cloud::start().await;
        cloud.put_many(1_500);
        let rows: Vec<String> = (0..1_500).map(|index| format!("{index:05}.jpg\n")).collect();
        cloud.put_list("keys.csv", format!("key\n{}", rows.concat()));
        cloud.server.faults.add(Fault {
            operation: "GetObject",
            key_contains: "keys.csv".to_owned(),
            effect: effect.clone(),
            after: 0,
            times: 2,
        });
        let report = cloud.run(json!({"manifest": "s3://lists/keys.csv"})).await.unwrap();
        assert_eq!((report.listed, report.ok), (1_500, 1_500), "{effect:?}: {report:?}");
        cloud.check_all(&report);
    }
}

#[tokio::test]
async fn a_source_whose_requester_pays_is_read_if_the_job_says_so() {
    for fields in [
        json!({"images": "copy"}),
        json!({"images": "upload"}),
        json!({"skip_current": true}),
    ] {
        let cloud = Cloud::start().await;
        cloud.server.store.create_requester_pays("photos");
        cloud.put_many(20);
        let error = cloud.run(fields.clone()).await.unwrap_err().to_string();
        assert!(error.contains("AccessDenied"), "{error}");

        let mut paying = fields;
        paying["request_payer"] = json!(true);
        let mut plan = paying.clone();
        plan["action"] = json!("plan");
        match cloud.response(plan).await.unwrap() {
            Response::Estimate(estimate) => assert_eq!(estimate.images, 20),
            Response::Report(report) => panic!("{report:?}"),
        }
        let report = cloud.run(paying).await.unwrap();
        assert_eq!(report.ok, 20, "{report:?}");
        cloud.check_all(&report);
    }
}
