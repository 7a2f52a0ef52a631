//! Notifications of new objects from S3, SNS and `EventBridge`. None of them reads the response.

use std::fmt::Display;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::{S3Entity, S3Object};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::object::{ETag, Key, ObjectRef};
use tokio::time::Instant;

use super::event::{self, EventResponse};
use super::shape::{self, record_source};
use crate::app::App;
use crate::error::Error;
use crate::image::ObjectVersion;
use crate::intake::{Entry, Ignored, NamedObject, any_readable};

pub async fn respond(app: &App, entries: &[Entry], deadline: Instant) -> Result<EventResponse, Error> {
    let report = event::process(app, event::settings(app, true)?, entries, deadline).await?;
    event::respond(entries, report)
}

/// The entries of a notification, or `None` if the event is not a notification. An error says what is wrong with it.
pub fn entries(event: &Value) -> Result<Option<Vec<Entry>>, String> {
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Some(vec![Entry::Ignored(Ignored {
            bucket: event["Bucket"].as_str().unwrap_or_default().to_owned(),
            key: Key::default(),
            reason: "it is the test event that S3 sends when notifications are set up".to_owned(),
        })]));
    }
    if event.get("detail-type").is_some() {
        return eventbridge(event).map(|entry| entry.map(|entry| vec![entry]));
    }
    // This is the envelope of SNS in an SQS message. `SnsMessage` of `aws_lambda_events` also requires a signature
    // and the URL of its certificate, which FIFO topics do not send (`events/sqs-sns-fifo.json`).
    if let (Some("Notification"), Some(message)) = (event["Type"].as_str(), event["Message"].as_str()) {
        return wrapped(message);
    }
    // Lambda puts an asynchronous event into this envelope when it has failed.
    if let Some(failed) = event.get("requestPayload") {
        return entries(failed);
    }
    let (name, records) = match (event, event.get("Records")) {
        // EventBridge Pipes and input transformers send a list.
        (Value::Array(records), _) => ("", records),
        (_, Some(records)) => ("Records", records.as_array().ok_or("Records is not a list")?),
        (_, None) => return Ok(None),
    };
    let mut found = Vec::with_capacity(records.len());
    let mut is_known = false;
    for (index, record) in records.iter().enumerate() {
        let problem = match entries_of(record) {
            Ok(Some(entries)) => {
                is_known = true;
                found.extend(entries);
                continue;
            }
            Ok(None) => "it is no notification of a new object".to_owned(),
            Err(problem) => {
                is_known = true;
                problem
            }
        };
        found.push(Entry::Unreadable(format!("{name}[{index}]: {problem}")));
    }
    if !is_known && !records.is_empty() {
        return Ok(None);
    }
    any_readable(found).map(Some)
}

/// The entries of one record or one element of a list. `None` if it is not about a new object.
fn entries_of(record: &Value) -> Result<Option<Vec<Entry>>, String> {
    if record.get("s3").is_some() {
        return Ok(Some(vec![s3(shape::of(used_fields(record))?)?]));
    }
    match record["Sns"]["Message"].as_str() {
        Some(message) => match wrapped(message)? {
            Some(entries) => Ok(Some(entries)),
            None => Err(format!("an SNS message is not an S3 notification: {message:.100}")),
        },
        None if is_ours(record) => Err("it has neither s3 nor Sns.Message".to_owned()),
        None => entries(record),
    }
}

/// Whether a record must hold an S3 notification.
fn is_ours(record: &Value) -> bool {
    record_source(record).is_some_and(|source| ["aws:s3", "aws:sns"].contains(&source))
}

/// Reads a notification that is the text of an SNS or SQS message.
pub fn wrapped(message: &str) -> Result<Option<Vec<Entry>>, String> {
    let message: Value =
        serde_json::from_str(message).map_err(|error| format!("a message is not JSON: {error}: {message:.100}"))?;
    entries(&message)
}

/// One record of an S3 notification ("Event message structure" in the S3 User Guide). Its key is URL-encoded.
///
/// `S3EventRecord` of `aws_lambda_events` also requires `eventTime`, `userIdentity` and `requestParameters`.
/// S3-compatible stores and hand-written events leave these out (`events/s3-put-minimal.json`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_name: String,
    s3: S3Entity,
}

/// The `detail` of an S3 event in `EventBridge` ("`EventBridge` event message structure" in the S3 User Guide). Its key
/// is plain. `aws_lambda_events` does not know this format.
#[derive(Serialize, Deserialize)]
struct Detail {
    bucket: DetailBucket,
    object: DetailObject,
}

#[derive(Serialize, Deserialize)]
struct DetailBucket {
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DetailObject {
    key: Key,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// Keeps only those fields of a record that are used. `S3Entity` also checks the types of the other fields, and some
/// producers fill these in their own way (`events/s3-put-minimal.json`).
fn used_fields(record: &Value) -> Value {
    let picked = |value: &Value, names: &[&str]| -> Value {
        let field = |name: &&str| Some(((*name).to_owned(), value.get(*name)?.clone()));
        names.iter().filter_map(field).collect::<Map<_, _>>().into()
    };
    let mut record = picked(record, &["eventName", "s3"]);
    if let Some(s3) = record.get_mut("s3") {
        *s3 = picked(s3, &["bucket", "object"]);
        if let Some(bucket) = s3.get_mut("bucket") {
            *bucket = picked(bucket, &["name"]);
        }
        if let Some(object) = s3.get_mut("object") {
            *object = picked(object, &["key", "size", "eTag", "versionId", "sequencer"]);
        }
    }
    record
}

fn s3(record: S3Record) -> Result<Entry, String> {
    let S3Entity { bucket, object, .. } = record.s3;
    let bucket = bucket.name.ok_or("s3.bucket: missing field `name`")?;
    let S3Object {
        key,
        size,
        e_tag,
        version_id,
        sequencer,
        ..
    } = object;
    // The crate's `url_decoded_key` is empty for real events.
    let key = key.ok_or("s3.object: missing field `key`")?;
    let key = Key::decode(&key).map_err(|error| error.to_string())?;
    let name = record.event_name;
    // Some services send the name with the prefix "s3:".
    if !name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return Ok(ignored(bucket, key, &name, "ObjectCreated"));
    }
    let size = size.and_then(|size| u64::try_from(size).ok());
    Ok(created(
        bucket,
        object_ref(key, size, e_tag.as_deref(), version_id),
        sequencer,
    ))
}

/// Reads an event of `EventBridge`. Gives `None` if the event is from another service than S3.
fn eventbridge(event: &Value) -> Result<Option<Entry>, String> {
    if event["source"].as_str().is_some_and(|source| source != "aws.s3") {
        return Ok(None);
    }
    // A rule's input transformer may leave fields out or change them. `EventBridgeEvent` requires `source`, and checks
    // fields that are not used here (`events/eventbridge-transformed.json`).
    let used = ["detail-type", "detail"].map(|name| Some((name.to_owned(), event.get(name)?.clone())));
    let source = Some(("source".to_owned(), "aws.s3".into()));
    let event: Value = used.into_iter().chain([source]).flatten().collect::<Map<_, _>>().into();
    let event: EventBridgeEvent<Detail> = shape::of(event)?;
    let Detail { bucket, object } = event.detail;
    if event.detail_type != "Object Created" {
        return Ok(Some(ignored(
            bucket.name,
            object.key,
            &event.detail_type,
            "Object Created",
        )));
    }
    let sequencer = object.sequencer;
    let object = object_ref(object.key, object.size, object.etag.as_deref(), object.version_id);
    Ok(Some(created(bucket.name, object, sequencer)))
}

fn object_ref(key: Key, size: Option<u64>, etag: Option<&str>, version_id: Option<String>) -> ObjectRef {
    ObjectRef {
        key,
        size,
        etag: etag.and_then(ETag::parse),
        version_id: version_id.filter(|version| !version.is_empty()),
        storage_class: None,
    }
}

fn created(bucket: String, object: ObjectRef, sequencer: Option<String>) -> Entry {
    Entry::Object(NamedObject {
        bucket,
        object,
        version: ObjectVersion::Latest,
        sequencer,
    })
}

fn ignored(bucket: String, key: Key, what: &str, wanted: impl Display) -> Entry {
    let reason = format!("the event is {what}, not {wanted}");
    Entry::Ignored(Ignored { bucket, key, reason })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(event: &Value) -> Vec<String> {
        let entries = entries(event).unwrap().unwrap();
        let key = |entry: Entry| match entry {
            Entry::Object(named) => named.object.key.to_string(),
            Entry::Ignored(ignored) => format!("ignored {}", ignored.key),
            Entry::Unreadable(problem) => problem,
        };
        entries.into_iter().map(key).collect()
    }

    fn s3(name: &str, key: &str) -> Value {
        let s3 = json!({"bucket": {"name": "photos"}, "object": {"key": key, "size": 1, "eTag": "e"}});
        json!({"eventSource": "aws:s3", "eventName": name, "s3": s3})
    }

    #[test]
    fn keys_of_s3_are_decoded_and_those_of_eventbridge_are_not() {
        let event = json!({"Records": [s3("ObjectCreated:Put", "a+b%2B%C3%A9.jpg")]});
        assert_eq!(keys(&event), ["a b+é.jpg"]);
        let object = json!({"key": "a+b%2B.jpg", "etag": "e"});
        let event =
            json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}});
        assert_eq!(keys(&event), ["a+b%2B.jpg"]);
    }

    #[test]
    fn events_other_than_the_creation_of_an_object_are_ignored() {
        let event = json!({"Records": [s3("ObjectRemoved:Delete", "a.jpg"), s3("s3:ObjectCreated:Copy", "b.jpg")]});
        assert_eq!(keys(&event), ["ignored a.jpg", "b.jpg"]);
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"});
        assert_eq!(keys(&test), ["ignored "]);
    }

    #[test]
    fn notifications_in_envelopes_are_read() {
        let event = json!({"Records": [s3("ObjectCreated:Put", "a.jpg")]}).to_string();
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": event}}]});
        assert_eq!(keys(&sns), ["a.jpg"]);
        let envelope = json!({"Type": "Notification", "MessageId": "1", "Message": event});
        assert_eq!(keys(&envelope), ["a.jpg"]);
        let wrong = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "hello"}}]});
        assert!(entries(&wrong).unwrap_err().contains("not JSON"));
        let wrong = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{\"a\": 1}"}}]});
        assert!(entries(&wrong).unwrap_err().contains("not an S3 notification"));
    }

    #[test]
    fn a_record_that_cannot_be_read_does_not_hide_the_others() {
        let good = s3("ObjectCreated:Put", "a.jpg");
        let bad = json!({"eventSource": "aws:s3", "eventName": "", "s3": {"bucket": {}}});
        let event = json!({"Records": [bad, good, {"what": "?"}, s3("ObjectCreated:Put", "%FF")]});
        let found = keys(&event);
        assert_eq!(found[1], "a.jpg");
        assert!(found[0].contains("Records[0]: s3: missing field `object`"), "{found:?}");
        assert!(found[2].contains("Records[2]: it is no notification"), "{found:?}");
        assert!(found[3].contains("not UTF-8"), "{found:?}");
    }

    #[test]
    fn lists_and_failed_events_are_read() {
        let records = json!({"Records": [s3("ObjectCreated:Put", "a+1.jpg")]});
        let object = json!({"key": "b+1.jpg"});
        let event =
            json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}});
        let sns = json!({"EventSource": "aws:sns", "Sns": {"Message": records.to_string()}});
        let failed = |event: &Value| json!({"version": "1.0", "requestContext": {}, "requestPayload": event});
        for (event, expected) in [
            (
                json!([event, records, records["Records"][0], sns]),
                &["b+1.jpg", "a 1.jpg", "a 1.jpg", "a 1.jpg"][..],
            ),
            (failed(&records), &["a 1.jpg"]),
            (failed(&failed(&event)), &["b+1.jpg"]),
            (json!([failed(&event)]), &["b+1.jpg"]),
            (json!([]), &[]),
        ] {
            assert_eq!(keys(&event), expected, "{event}");
        }
        assert_eq!(entries(&json!([{"a": 1}, "b", 3])), Ok(None));
    }

    #[test]
    fn a_key_that_is_not_utf8_is_an_error() {
        let event = json!({"Records": [s3("ObjectCreated:Put", "%FF.jpg")]});
        assert!(entries(&event).unwrap_err().contains("not UTF-8"));
    }
}
