//! Step Functions: one batch of a Distributed Map that lists a bucket and uses `ItemBatcher`. Keys are plain.

use serde::Deserialize;
use serde_json::Value;
use shared::object::{ETag, Key, ObjectRef, S3Uri};
use tokio::time::Instant;

use super::event::{self, EventResponse};
use super::shape;
use crate::app::App;
use crate::error::Error;
use crate::intake::{Entry, any_readable};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    /// Each is an [`Item`]. One that cannot be read does not hide the others.
    items: Vec<Value>,
    batch_input: Option<BatchInput>,
}

/// What the workflow adds to every batch.
#[derive(Deserialize)]
#[serde(expecting = "an object like {\"Bucket\": \"...\"}")]
struct BatchInput {
    #[serde(rename = "Bucket", alias = "bucket")]
    bucket: Option<String>,
}

/// An object as `ListObjectsV2` lists it. The bucket is there only if the workflow adds it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object with a Key")]
struct Item {
    bucket: Option<String>,
    key: Key,
    size: Option<u64>,
    #[serde(alias = "ETag")]
    etag: Option<String>,
    version_id: Option<String>,
}

pub fn entries(event: Value, source: Option<&S3Uri>) -> Result<Vec<Entry>, String> {
    let batch: Batch = shape::of(event)?;
    let of_all = batch
        .batch_input
        .and_then(|input| input.bucket)
        .or_else(|| source.map(|source| source.bucket.to_string()));
    let entry = |item: Value| {
        let item: Item = shape::of(item)?;
        let bucket = item
            .bucket
            .or_else(|| of_all.clone())
            .ok_or("the bucket is not known: set BatchInput to {\"Bucket\": \"...\"}, or set SOURCE")?;
        let object = ObjectRef {
            key: item.key,
            size: item.size,
            etag: item.etag.as_deref().and_then(ETag::parse),
            version_id: item.version_id.filter(|version| !version.is_empty()),
            storage_class: None,
        };
        Ok::<_, String>(Entry::exact(bucket, object))
    };
    let items = batch.items.into_iter().enumerate();
    let entries = items.map(|(index, item)| {
        entry(item).unwrap_or_else(|problem| Entry::Unreadable(format!("Items[{index}]: {problem}")))
    });
    any_readable(entries.collect())
}

/// Responds with all failures. The workflow reads them, so they are not written into the destination.
pub async fn respond(app: &App, entries: &[Entry], deadline: Instant) -> Result<EventResponse, Error> {
    let report = event::process(app, entries, false, deadline).await?;
    event::respond(entries, report)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bucket_comes_from_the_item_the_batch_or_the_source() {
        let source: S3Uri = "s3://of-source/".parse().unwrap();
        let item =
            json!({"Key": "a+b.jpg", "Size": 5, "Etag": "\"e\"", "LastModified": 1.0, "StorageClass": "STANDARD"});
        let mut own = item.clone();
        own["Bucket"] = json!("of-item");
        for (event, source, bucket) in [
            (
                json!({"Items": [own], "BatchInput": {"Bucket": "of-batch"}}),
                None,
                "of-item",
            ),
            (
                json!({"Items": [item], "BatchInput": {"bucket": "of-batch"}}),
                Some(&source),
                "of-batch",
            ),
            (json!({"Items": [item]}), Some(&source), "of-source"),
        ] {
            let entries = entries(event, source).unwrap();
            let object = ObjectRef {
                size: Some(5),
                etag: ETag::parse("e"),
                ..ObjectRef::latest("a+b.jpg".into())
            };
            assert_eq!(entries, [Entry::exact(bucket.to_owned(), object)]);
        }
        let error = entries(json!({"Items": [item]}), None).unwrap_err();
        assert!(error.contains("BatchInput"), "{error}");
    }
}
