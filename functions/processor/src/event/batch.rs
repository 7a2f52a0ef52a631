//! S3 Batch Operations, schema 1.0 and 2.0: tasks with an object each, and a result for each task.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::key;
use shared::s3::ObjectId;

use super::{Meant, Named, parse};
use crate::error::Error;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchJob {
    pub invocation_schema_version: String,
    #[serde(default)]
    pub invocation_id: String,
    pub tasks: Vec<Task>,
}

pub fn job(event: Value) -> Result<BatchJob, Error> {
    let what = "S3 Batch Operations";
    let job: BatchJob = parse(what, event)?;
    if ["1.0", "2.0"].contains(&job.invocation_schema_version.as_str()) {
        return Ok(job);
    }
    let version = job.invocation_schema_version;
    let problem = format!("invocationSchemaVersion: {version} is not 1.0 or 2.0");
    Err(Error::BadEvent { what, problem })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    #[serde(rename = "taskId")]
    pub id: String,
    s3_key: String,
    s3_version_id: Option<String>,
    /// In schema 1.0.
    s3_bucket_arn: Option<String>,
    /// In schema 2.0.
    s3_bucket: Option<String>,
}

impl Task {
    /// The object, or what is wrong with the task.
    ///
    /// The key is URL-encoded as in a form, whatever samples do: a manifest must hold its keys so, and
    /// they are handed on as they are.
    pub fn object(&self) -> Result<Named, String> {
        let bucket = match (&self.s3_bucket, &self.s3_bucket_arn) {
            (Some(name), _) => name.as_str(),
            // arn:aws:s3:::bucket
            (None, Some(arn)) => arn.rsplit(':').next().unwrap_or_default(),
            (None, None) => return Err("the task has neither s3Bucket nor s3BucketArn".to_owned()),
        };
        let key = key::decode(&self.s3_key).map_err(|error| error.to_string())?;
        Ok(Named {
            id: ObjectId {
                version_id: self.s3_version_id.clone().filter(|version| !version.is_empty()),
                ..ObjectId::any(bucket, key)
            },
            meant: Meant::This,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    pub invocation_schema_version: String,
    /// What S3 makes of a task without a result; there is none.
    pub treat_missing_keys_as: Code,
    pub invocation_id: String,
    pub results: Vec<TaskResult>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskResult {
    pub task_id: String,
    pub result_code: Code,
    /// Goes into the job's completion report.
    pub result_string: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    Succeeded,
    /// S3 sends the task again.
    TemporaryFailure,
    PermanentFailure,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(task: serde_json::Value) -> Result<ObjectId, String> {
        serde_json::from_value::<Task>(task)
            .unwrap()
            .object()
            .map(|named| named.id)
    }

    #[test]
    fn both_schemas_name_an_object() {
        let key = "%C3%A9t%C3%A9+2026/a%2Bb.jpg";
        let old = json!({"taskId": "1", "s3Key": key, "s3VersionId": null, "s3BucketArn": "arn:aws:s3:::photos"});
        let new = json!({"taskId": "1", "s3Key": key, "s3VersionId": "v1", "s3Bucket": "photos"});
        let plain = ObjectId::any("photos", "été 2026/a+b.jpg".to_owned());
        assert_eq!(object(old), Ok(plain.clone()));
        let version_id = Some("v1".to_owned());
        assert_eq!(object(new), Ok(ObjectId { version_id, ..plain }));
        assert!(
            object(json!({"taskId": "1", "s3Key": "a"}))
                .unwrap_err()
                .contains("s3Bucket")
        );
    }
}
