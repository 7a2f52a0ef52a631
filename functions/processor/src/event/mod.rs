//! Who calls: recognised by shape. Each caller's own wire format is a file here; what they all come to
//! is a list of [`Entry`].
//!
//! Only the fields that are used are described, so that an event that lacks or adds another one is
//! taken all the same.

mod batch;
mod map;
mod notification;
mod queue;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::chunk::ChunkRequest;
use shared::s3::ObjectId;
use shared::uri::S3Uri;

pub use batch::{BatchJob, BatchResponse, Code, Task, TaskResult};
pub use queue::{ItemFailure, Message, QueueResponse};

use crate::error::Error;

/// What an invocation asks for.
#[derive(Debug)]
pub enum Event {
    /// From fanout.
    Chunk(Box<ChunkRequest>),
    /// From S3, SNS or `EventBridge`, which read no answer: they only see whether the invocation failed.
    Notification(Vec<Entry>),
    /// From SQS, which takes the messages back that failed.
    Queue(Vec<Message>),
    /// From S3 Batch Operations, which wants a result for each task.
    Batch(BatchJob),
    /// From a Distributed Map of Step Functions, whose workflow reads the answer.
    Map(Vec<Entry>),
}

/// One thing that an event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Object(Named),
    Ignored(Ignored),
}

impl Entry {
    /// Bucket and key.
    pub fn name(&self) -> (&str, &str) {
        match self {
            Self::Object(named) => (&named.id.bucket, &named.id.key),
            Self::Ignored(ignored) => (&ignored.bucket, &ignored.key),
        }
    }
}

/// An object, its key plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: ObjectId,
    pub meant: Meant,
}

/// Which state of an object is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The one that is named, as it was listed.
    This,
    /// The newest: each state of the object sends an event of its own. `sequencer` orders the events of
    /// one key.
    Newest { sequencer: Option<String> },
}

/// A part of an event that asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    pub bucket: String,
    pub key: String,
    pub why: String,
}

impl Event {
    /// `source` is where objects are whose bucket an event does not name.
    pub fn parse(event: Value, source: Option<&S3Uri>) -> Result<Self, Error> {
        let has = |name| event.get(name).is_some();
        if has("objects") {
            return parse("chunk", event).map(|chunk| Self::Chunk(Box::new(chunk)));
        }
        if has("tasks") {
            return batch::job(event).map(Self::Batch);
        }
        if has("Items") {
            return map::entries(event, source).map(Self::Map);
        }
        if record_source(&event) == Some("aws:sqs") {
            return queue::messages(event).map(Self::Queue);
        }
        match notification::entries(&event) {
            Ok(Some(entries)) => Ok(Self::Notification(entries)),
            Ok(None) => Err(Error::UnknownEvent(fields(&event))),
            Err(problem) => Err(Error::BadEvent {
                what: "notification",
                problem,
            }),
        }
    }
}

/// Who wrote the records of an event: SNS spells it with a capital.
fn record_source(event: &Value) -> Option<&str> {
    let first = event.get("Records")?.get(0)?;
    first.get("eventSource").or_else(|| first.get("EventSource"))?.as_str()
}

fn parse<T: for<'de> Deserialize<'de>>(what: &'static str, event: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(event).map_err(|error| Error::BadEvent {
        what,
        problem: error.to_string(),
    })
}

/// What an unknown event holds, in few words.
fn fields(event: &Value) -> String {
    match event {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            let source = record_source(event).or_else(|| event.get("source")?.as_str());
            let from = source.map(|source| format!(", from {source}")).unwrap_or_default();
            format!("an object with the fields {}{from}", names.join(", "))
        }
        Value::Array(_) => "an array".to_owned(),
        other => format!("{other:.100}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_shapes_say_what_they_hold() {
        for (event, part) in [
            (json!({"Recrods": []}), "it is an object with the fields Recrods;"),
            (json!({}), "an empty object"),
            (json!("text"), "\"text\""),
            (json!([1]), "it is an array"),
            (
                json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}),
                "the fields detail, detail-type, source, from aws.events;",
            ),
            (
                json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]}),
                "the fields Records, from aws:kinesis;",
            ),
        ] {
            let error = Event::parse(event, None).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (event, part) in [
            (json!({"objects": []}), "chunk: missing field `job_id`"),
            (
                json!({"invocationSchemaVersion": "1.0", "tasks": [{"taskId": 1}]}),
                "S3 Batch Operations: tasks[0].taskId: invalid type: integer `1`",
            ),
            (
                json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}),
                "SQS: Records[0]: missing field `messageId`",
            ),
            (
                json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "photos"}, "object": {"key": "a"}}}]}),
                "notification: missing field `eventName`",
            ),
            (
                json!({"Records": [{"eventSource": "aws:s3", "eventName": "", "s3": {"bucket": {}}}]}),
                "notification: s3.bucket: missing field `name`",
            ),
            (
                json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}}}),
                "notification: detail: missing field `object`",
            ),
            (json!({"Records": "none"}), "notification: Records is no list"),
            (
                json!({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}),
                "notification: Records[0] has neither s3 nor Sns.Message",
            ),
            (
                json!({"invocationSchemaVersion": "3.0", "tasks": []}),
                "S3 Batch Operations: invocationSchemaVersion: 3.0 is not 1.0 or 2.0",
            ),
            (
                json!({"Items": ["a.jpg"]}),
                "Distributed Map: Items[0]: invalid type: string \"a.jpg\", expected an object with a Key",
            ),
            (
                json!({"Items": [{"key": "a.jpg"}]}),
                "Distributed Map: Items[0]: missing field `Key`",
            ),
        ] {
            let error = Event::parse(event, None).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
