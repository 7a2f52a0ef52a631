//! Recognises the caller by the shape of the event. Each file has the wire format and the response of one caller.
//!
//! The types of AWS's formats come from `aws_lambda_events`. This module has its own types where `aws_lambda_events`
//! does not know a format, or requires fields that some producers leave out. Every field that is not used may be
//! missing from an event.

mod batch;
mod chunk;
mod event;
mod map;
mod notification;
mod sample;
mod shape;
mod sqs;

use lambda_runtime::tracing::error;
use serde_json::{Value, json};
use shared::logs;
use shared::object::S3Uri;
use shared::protocol::chunk::ChunkRequest;
use shared::protocol::sample::SampleRequest;

use batch::BatchJob;
pub use event::EventResponse;
use shape::record_source;
use sqs::Message;

use crate::app::App;
use crate::error::Error;
use crate::intake::Entry;

/// Handles one invocation. `deadline_ms` is in milliseconds since 1970, as Lambda gives it.
pub async fn handle(app: &App, event: Value, deadline_ms: u64) -> Result<Value, Error> {
    Box::pin(respond(app, event, deadline_ms))
        .await
        .inspect_err(|error| error!(error = logs::shortened(&error.to_string()), "the invocation failed"))
}

async fn respond(app: &App, event: Value, deadline_ms: u64) -> Result<Value, Error> {
    let deadline = app.clock.deadline(deadline_ms, app.config.timeout);
    let response = match Event::parse(event, app.config.source.as_ref())? {
        Event::Chunk(request) => serde_json::to_value(chunk::respond(app, *request, deadline).await?),
        Event::Sample(request) => serde_json::to_value(sample::respond(app, *request, deadline).await?),
        Event::Notification(entries) => serde_json::to_value(notification::respond(app, &entries, deadline).await?),
        Event::Sqs(messages) => serde_json::to_value(sqs::respond(app, messages, deadline).await?),
        Event::Batch(job) => serde_json::to_value(batch::respond(app, job, deadline).await?),
        Event::Map(objects) => serde_json::to_value(map::respond(app, objects, deadline).await?),
    };
    Ok(response.expect("a response is valid JSON"))
}

/// An event, by its caller.
#[derive(Debug)]
enum Event {
    /// From fanout.
    Chunk(Box<ChunkRequest>),
    /// From fanout, for a plan. Nothing may be written.
    Sample(Box<ChunkRequest>),
    /// From S3, SNS or `EventBridge`. They do not read the response, and only see whether the invocation failed.
    Notification(Vec<Entry>),
    /// From SQS. The response names the messages that must come again.
    Sqs(Vec<Message>),
    /// From S3 Batch Operations. The response has a result for each task.
    Batch(BatchJob),
    /// From a Distributed Map of Step Functions. The workflow reads the response.
    Map(map::Objects),
}

impl Event {
    /// Recognises an event. If the event does not name the bucket of an object, the bucket is that of `source`.
    fn parse(mut event: Value, source: Option<&S3Uri>) -> Result<Self, Error> {
        // Lambda puts an asynchronous event into this envelope when it has failed.
        while let Some(failed) = event.get_mut("requestPayload") {
            event = failed.take();
        }
        // EventBridge Pipes sends the messages of a queue as a list.
        if event[0].get("messageId").is_some() {
            event = json!({"Records": event});
        }
        let has = |name| event.get(name).is_some();
        if has("objects") {
            return parsed("chunk", shape::of(event)).map(|chunk| Self::Chunk(Box::new(chunk)));
        }
        if has("plan") {
            return parsed("plan", shape::of(event)).map(|request: SampleRequest| Self::Sample(Box::new(request.plan)));
        }
        if has("tasks") {
            return parsed("S3 Batch Operations", batch::job(event)).map(Self::Batch);
        }
        if has("Items") {
            return parsed("Distributed Map", map::objects(event, source)).map(Self::Map);
        }
        if record_source(&event["Records"][0]) == Some("aws:sqs") || event["Records"][0].get("messageId").is_some() {
            return parsed("SQS", sqs::messages(event)).map(Self::Sqs);
        }
        match parsed("notification", notification::entries(&event))? {
            Some(entries) => Ok(Self::Notification(entries)),
            None => Err(Error::UnknownEvent(fields(&event))),
        }
    }
}

fn parsed<T>(what: &'static str, parsed: Result<T, String>) -> Result<T, Error> {
    parsed.map_err(|problem| Error::BadEvent { what, problem })
}

/// Describes an unknown event in a few words.
fn fields(event: &Value) -> String {
    match event {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            let source = record_source(&event["Records"][0]).or_else(|| event.get("source")?.as_str());
            let from = source.map(|source| format!(", from {source}")).unwrap_or_default();
            format!("an object with the fields {}{from}", names.join(", "))
        }
        Value::Array(_) => "an array".to_owned(),
        other => format!("{other:.100}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_event_is_described() {
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
    fn an_error_names_the_wrong_field() {
        for (event, part) in [
            (json!({"objects": []}), "chunk: missing field `job_id`"),
            (json!({"plan": {"objects": []}}), "plan: plan: missing field `job_id`"),
            (
                json!({"invocationSchemaVersion": "1.0", "tasks": [{"taskId": 1}]}),
                "S3 Batch Operations: tasks[0].taskId: invalid type: integer `1`",
            ),
            (
                json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}),
                "SQS: Records[0]: missing field `messageId`",
            ),
            (
                json!({"Records": [{
                    "eventSource": "aws:s3",
                    "s3": {"bucket": {"name": "photos"}, "object": {"key": "a"}}
                }]}),
                "notification: Records[0]: missing field `eventName`",
            ),
            (
                json!({"Records": [{"eventSource": "aws:s3", "eventName": "", "s3": {"bucket": {}}}]}),
                "notification: Records[0]: s3: missing field `object`",
            ),
            (
                json!({"Records": [{"eventSource": "aws:s3", "eventName": "", "s3": {"bucket": {}, "object": {}}}]}),
                "notification: Records[0]: s3.bucket: missing field `name`",
            ),
            (
                json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}}}),
                "notification: detail: missing field `object`",
            ),
            (json!({"Records": "none"}), "notification: Records is not a list"),
            (
                json!({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}),
                "notification: Records[0]: it has neither s3 nor Sns.Message",
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
