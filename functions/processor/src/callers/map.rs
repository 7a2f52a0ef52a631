//! Step Functions: one batch of a Distributed Map that lists a bucket and uses `ItemBatcher`. Keys are plain.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::destination::{Destination, check_job_id};
use shared::logs;
use shared::object::{ETag, Key, ObjectRef, S3Uri};
use shared::s3;
use tokio::time::Instant;

use super::event::{self, EventResponse};
use super::shape;
use crate::app::App;
use crate::error::Error;
use crate::intake::{Entry, any_readable};
use crate::records::{BatchFile, File, RecordSink, batch_id, failures_file};

/// Step Functions accepts 256 KiB of a state ("Step Functions service quotas" in the Step Functions Developer Guide). The
/// workflow adds something of its own.
const MAX_RESPONSE_BYTES: usize = 240 * 1024;

/// For the name of a field.
const MARGIN: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    /// Each is an [`Item`]. One that cannot be read does not hide the others.
    items: Vec<Value>,
    batch_input: Option<BatchInput>,
}

/// What the workflow adds to every batch.
#[derive(Deserialize)]
#[serde(expecting = "an object like {\"Bucket\": \"...\", \"Job\": \"...\"}")]
struct BatchInput {
    #[serde(rename = "Bucket", alias = "bucket")]
    bucket: Option<String>,
    #[serde(rename = "Job", alias = "job")]
    job: Option<String>,
}

/// The objects of one batch.
#[derive(Debug)]
pub struct Objects {
    /// The job to whose records the batch belongs. Without it, each object has a record file of its own.
    job: Option<String>,
    entries: Vec<Entry>,
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

pub fn objects(event: Value, source: Option<&S3Uri>) -> Result<Objects, String> {
    let batch: Batch = shape::of(event)?;
    let (bucket, job) = batch
        .batch_input
        .map(|input| (input.bucket, input.job))
        .unwrap_or_default();
    if let Some(job) = &job {
        check_job_id(job).map_err(|error| format!("BatchInput.Job: {error}"))?;
    }
    let of_all = bucket.or_else(|| source.map(|source| source.bucket.to_string()));
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
    let entries = any_readable(entries.collect())?;
    Ok(Objects { job, entries })
}

/// Responds with all failures. The workflow reads them, so they are not written into the destination, unless there are
/// more than a response can have.
///
/// Objects that an earlier invocation for this batch has recorded are `ok`, and are not processed again.
pub async fn respond(app: &App, objects: Objects, deadline: Instant) -> Result<EventResponse, Error> {
    let Objects { job, mut entries } = objects;
    let id = batch_id(&entries);
    let mut settings = event::settings(app, false)?;
    let (mut ok, mut with_exif) = (0, 0);
    if let (Some(job), RecordSink::Event) = (job, &settings.sink) {
        logs::belongs_to_job(&job);
        let client = &app.clients(false).reads;
        let opened = BatchFile::open(client, &settings.destination, &job, &id).await;
        let file = opened.map_err(Error::Commit)?;
        entries.retain(|entry| {
            let Entry::Object(named) = entry else { return true };
            let Some(has_exif) = file.exif_of(named) else {
                return true;
            };
            ok += 1;
            with_exif += u64::from(has_exif);
            false
        });
        settings.sink = RecordSink::Batch(file);
    }
    let destination = settings.destination.clone();
    let report = event::process(app, settings, &entries, deadline).await?;
    let mut response = event::respond(&entries, report)?;
    response.ok += ok;
    response.with_exif += with_exif;
    shorten(app, &destination, &id, &mut response).await?;
    Ok(response)
}

/// Makes the response fit into what Step Functions accepts. Ignored objects are left out first. If the failures still do
/// not fit, all of them go into a file, and the response has as many as it can.
async fn shorten(app: &App, destination: &Destination, id: &str, response: &mut EventResponse) -> Result<(), Error> {
    let mut size = bytes(response);
    while size > MAX_RESPONSE_BYTES
        && let Some(ignored) = response.ignored.pop()
    {
        size -= bytes(&ignored);
    }
    if size <= MAX_RESPONSE_BYTES {
        return Ok(());
    }
    let File {
        target,
        content_type,
        body,
    } = failures_file(destination, id, &response.failed);
    size += bytes(&target.to_string()) + MARGIN;
    s3::put_object(&app.clients(false).writes, &target, content_type, body)
        .await
        .map_err(Error::Commit)?;
    response.failed_file = Some(target.to_string());
    while size > MAX_RESPONSE_BYTES
        && let Some(failed) = response.failed.pop()
    {
        size -= bytes(&failed);
    }
    Ok(())
}

/// The size as JSON.
fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
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
            let entries = objects(event, source).unwrap().entries;
            let object = ObjectRef {
                size: Some(5),
                etag: ETag::parse("e"),
                ..ObjectRef::latest("a+b.jpg".into())
            };
            assert_eq!(entries, [Entry::exact(bucket.to_owned(), object)]);
        }
        let error = objects(json!({"Items": [item]}), None).unwrap_err();
        assert!(error.contains("BatchInput"), "{error}");
    }
}
