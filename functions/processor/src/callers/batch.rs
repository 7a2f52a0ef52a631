//! S3 Batch Operations, schema 1.0 and 2.0. Each task names one object and gets one result.

use aws_lambda_events::s3::batch_job::{S3BatchJobEvent, S3BatchJobResponse, S3BatchJobResult, S3BatchJobTask};
use serde_json::Value;
use shared::object::{Key, ObjectRef};
use shared::protocol::failure::{Failure, FailureClass};
use tokio::time::Instant;

use super::{event, shape};
use crate::app::App;
use crate::error::Error;
use crate::intake::Entry;
use crate::outcome::Outcome;

/// The result codes. S3 sends a task again if its result is `TemporaryFailure`.
const SUCCEEDED: &str = "Succeeded";
const TEMPORARY_FAILURE: &str = "TemporaryFailure";
const PERMANENT_FAILURE: &str = "PermanentFailure";

#[derive(Debug)]
pub struct BatchJob {
    schema_version: String,
    invocation_id: String,
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task {
    id: String,
    /// The bucket and the object, or what is wrong with the task.
    object: Result<(String, ObjectRef), String>,
}

pub fn job(mut event: Value) -> Result<BatchJob, String> {
    // Schema 2.0 names the bucket in a field that `S3BatchJobTask` does not know (`events/s3-batch-2.0.json`).
    let buckets: Vec<Option<String>> = match event["tasks"].as_array() {
        Some(tasks) => tasks
            .iter()
            .map(|task| Some(task["s3Bucket"].as_str()?.to_owned()))
            .collect(),
        None => Vec::new(),
    };
    // `S3BatchJobEvent` requires this field, although it is not used here.
    event["job"] = Value::Object(serde_json::Map::new());
    let job: S3BatchJobEvent = shape::of(event)?;
    let schema_version = job
        .invocation_schema_version
        .ok_or("missing field `invocationSchemaVersion`")?;
    if !["1.0", "2.0"].contains(&schema_version.as_str()) {
        return Err(format!("invocationSchemaVersion: {schema_version} is not 1.0 or 2.0"));
    }
    let tasks = job.tasks.into_iter().zip(buckets).enumerate();
    Ok(BatchJob {
        schema_version,
        invocation_id: job.invocation_id.unwrap_or_default(),
        tasks: tasks
            .map(|(index, (task, bucket))| {
                Task::new(task, bucket).map_err(|problem| format!("tasks[{index}]: {problem}"))
            })
            .collect::<Result<_, String>>()?,
    })
}

impl Task {
    fn new(task: S3BatchJobTask, bucket: Option<String>) -> Result<Self, String> {
        let key = task.s3_key.ok_or("missing field `s3Key`")?;
        // arn:aws:s3:::bucket
        let of_arn = |arn: String| arn.rsplit(':').next().unwrap_or_default().to_owned();
        let bucket = bucket.or_else(|| task.s3_bucket_arn.map(of_arn));
        Ok(Self {
            id: task.task_id.ok_or("missing field `taskId`")?,
            object: object(bucket, &key, task.s3_version_id),
        })
    }
}

/// The bucket and the object of a task. Its key is URL-encoded, with `+` for a space: a manifest must hold its keys
/// in this form, and S3 passes them on unchanged. AWS's samples do not agree about this.
fn object(bucket: Option<String>, key: &str, version_id: Option<String>) -> Result<(String, ObjectRef), String> {
    let bucket = bucket.ok_or("the task has neither s3Bucket nor s3BucketArn")?;
    let key = Key::decode(key).map_err(|error| error.to_string())?;
    let object = ObjectRef {
        version_id: version_id.filter(|version| !version.is_empty()),
        ..ObjectRef::latest(key)
    };
    Ok((bucket, object))
}

pub async fn respond(app: &App, job: BatchJob, deadline: Instant) -> Result<S3BatchJobResponse, Error> {
    let objects = job.tasks.iter().filter_map(|task| task.object.clone().ok());
    let entries: Vec<Entry> = objects.map(|(bucket, object)| Entry::exact(bucket, object)).collect();
    let report = event::process(app, event::settings(app, false)?, &entries, deadline).await?;
    let mut index = 0..entries.len();
    let result = |task: Task| {
        let (code, text) = task.object.map_or_else(
            |problem| (PERMANENT_FAILURE, problem),
            |_| {
                let index = index.next().expect("there is one entry per object");
                result(event::outcome(&report.outcomes, index))
            },
        );
        let mut result = S3BatchJobResult::default();
        result.task_id = Some(task.id);
        result.result_code = Some(code.to_owned());
        // S3 writes it into the job's completion report.
        result.result_string = Some(text);
        result
    };
    let mut response = S3BatchJobResponse::default();
    response.results = job.tasks.into_iter().map(result).collect();
    response.invocation_schema_version = Some(job.schema_version);
    // This applies to tasks without a result. Here, every task has one.
    response.treat_missing_keys_as = Some(TEMPORARY_FAILURE.to_owned());
    response.invocation_id = Some(job.invocation_id);
    Ok(response)
}

fn result(outcome: &Outcome) -> (&'static str, String) {
    let text = |failure: &Failure| format!("{}: {:.300}", failure.class, failure.message);
    match outcome {
        Outcome::Ok { with_exif: true } => (SUCCEEDED, "ok".to_owned()),
        Outcome::Ok { with_exif: false } => (SUCCEEDED, "ok, without EXIF".to_owned()),
        Outcome::Ignored(reason) => (SUCCEEDED, format!("ignored: {reason}")),
        Outcome::Duplicate(_) => (SUCCEEDED, "ignored: the event names it twice".to_owned()),
        Outcome::Failed(failed) if failed.retryable => (TEMPORARY_FAILURE, text(&failed.failure)),
        Outcome::Failed(failed) => (PERMANENT_FAILURE, text(&failed.failure)),
        Outcome::Unprocessed => (
            TEMPORARY_FAILURE,
            text(&Failure::new(FailureClass::Timeout, "not processed in time")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(task: &Value) -> Result<(String, ObjectRef), String> {
        let event = json!({"invocationSchemaVersion": "1.0", "tasks": [task]});
        job(event).unwrap().tasks.remove(0).object
    }

    #[test]
    fn both_schemas_name_an_object() {
        let key = "%C3%A9t%C3%A9+2026/a%2Bb.jpg";
        let old = json!({"taskId": "1", "s3Key": key, "s3VersionId": null, "s3BucketArn": "arn:aws:s3:::photos"});
        let new = json!({"taskId": "1", "s3Key": key, "s3VersionId": "v1", "s3Bucket": "photos"});
        let plain = ObjectRef::latest("été 2026/a+b.jpg".into());
        assert_eq!(object(&old), Ok(("photos".to_owned(), plain.clone())));
        let version_id = Some("v1".to_owned());
        let version = ObjectRef { version_id, ..plain };
        assert_eq!(object(&new), Ok(("photos".to_owned(), version)));
        assert!(
            object(&json!({"taskId": "1", "s3Key": "a"}))
                .unwrap_err()
                .contains("s3Bucket")
        );
    }
}
