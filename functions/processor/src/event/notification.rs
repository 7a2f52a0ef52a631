//! What S3 says of its objects: by itself, through SNS, or through `EventBridge`.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::Value;
use shared::key;
use shared::s3::{ObjectId, unquoted};

use super::{Entry, Ignored, Meant, Named, record_source};

/// What a notification names, or `None` for what is none. An error names what is wrong with it.
pub fn entries(event: &Value) -> Result<Option<Vec<Entry>>, String> {
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        // S3 sends it once, when notifications are set up.
        return Ok(Some(vec![Entry::Ignored(Ignored {
            bucket: event["Bucket"].as_str().unwrap_or_default().to_owned(),
            key: String::new(),
            why: "it is the test event that S3 sends when notifications are set up".to_owned(),
        })]));
    }
    if event.get("detail-type").is_some() {
        if event["source"].as_str().is_some_and(|source| source != "aws.s3") {
            return Ok(None);
        }
        let event: EventBridge = shape(event)?;
        return Ok(Some(vec![eventbridge(event)]));
    }
    // SNS's own envelope, as it lies in an SQS message.
    if let (Some("Notification"), Some(message)) = (event["Type"].as_str(), event["Message"].as_str()) {
        return wrapped(message);
    }
    let Some(records) = event.get("Records") else {
        return Ok(None);
    };
    let records = records.as_array().ok_or("Records is no list")?;
    let mut found = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        if record.get("s3").is_some() {
            found.push(s3(shape(record)?)?);
        } else if let Some(message) = record["Sns"]["Message"].as_str() {
            match wrapped(message)? {
                Some(entries) => found.extend(entries),
                None => return Err(format!("an SNS message is no notification of S3: {message:.100}")),
            }
        } else if ["aws:s3", "aws:sns"].contains(&record_source(event).unwrap_or_default()) {
            return Err(format!("Records[{index}] has neither s3 nor Sns.Message"));
        } else {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// A notification as text, in a message of SNS or SQS.
pub fn wrapped(message: &str) -> Result<Option<Vec<Entry>>, String> {
    let message: Value =
        serde_json::from_str(message).map_err(|error| format!("a message is no JSON: {error}: {message:.100}"))?;
    entries(&message)
}

fn shape<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| error.to_string())
}

/// "Event message structure" in the S3 User Guide. Keys are URL-encoded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_name: String,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    bucket: Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Object {
    key: String,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// "Amazon S3 event message structure" for `EventBridge`. Keys are plain.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct EventBridge {
    detail_type: String,
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: DetailObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DetailObject {
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

fn s3(record: S3Record) -> Result<Entry, String> {
    let S3Entity { bucket, object } = record.s3;
    let key = key::decode(&object.key).map_err(|error| error.to_string())?;
    let name = record.event_name;
    // Through some services the name comes with "s3:" in front.
    if !name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return Ok(ignored(bucket.name, key, &name, "ObjectCreated"));
    }
    let id = id(bucket.name, key, object.size, object.e_tag, object.version_id);
    Ok(created(id, object.sequencer))
}

fn eventbridge(event: EventBridge) -> Entry {
    let Detail { bucket, object } = event.detail;
    if event.detail_type != "Object Created" {
        return ignored(bucket.name, object.key, &event.detail_type, "Object Created");
    }
    let id = id(bucket.name, object.key, object.size, object.etag, object.version_id);
    created(id, object.sequencer)
}

fn id(bucket: String, key: String, size: Option<u64>, etag: Option<String>, version: Option<String>) -> ObjectId {
    ObjectId {
        bucket,
        key,
        version_id: version.filter(|version| !version.is_empty()),
        etag: unquoted(&etag.unwrap_or_default()).to_owned(),
        size,
    }
}

fn created(id: ObjectId, sequencer: Option<String>) -> Entry {
    let meant = Meant::Newest { sequencer };
    Entry::Object(Named { id, meant })
}

fn ignored(bucket: String, key: String, what: &str, wanted: impl Display) -> Entry {
    let why = format!("the event is {what}, not {wanted}");
    Entry::Ignored(Ignored { bucket, key, why })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(event: &Value) -> Vec<String> {
        let entries = entries(event).unwrap().unwrap();
        let key = |entry: Entry| match entry {
            Entry::Object(named) => named.id.key,
            Entry::Ignored(ignored) => format!("ignored {}", ignored.key),
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
    fn what_is_no_new_object_is_ignored() {
        let event = json!({"Records": [s3("ObjectRemoved:Delete", "a.jpg"), s3("s3:ObjectCreated:Copy", "b.jpg")]});
        assert_eq!(keys(&event), ["ignored a.jpg", "b.jpg"]);
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"});
        assert_eq!(keys(&test), ["ignored "]);
    }

    #[test]
    fn envelopes_are_opened() {
        let event = json!({"Records": [s3("ObjectCreated:Put", "a.jpg")]}).to_string();
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": event}}]});
        assert_eq!(keys(&sns), ["a.jpg"]);
        let envelope = json!({"Type": "Notification", "MessageId": "1", "Message": event});
        assert_eq!(keys(&envelope), ["a.jpg"]);
        let wrong = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "hello"}}]});
        assert!(entries(&wrong).unwrap_err().contains("no JSON"));
        let wrong = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{\"a\": 1}"}}]});
        assert!(entries(&wrong).unwrap_err().contains("no notification of S3"));
    }

    #[test]
    fn a_key_that_is_no_text_is_an_error() {
        let event = json!({"Records": [s3("ObjectCreated:Put", "%FF.jpg")]});
        assert!(entries(&event).unwrap_err().contains("not UTF-8"));
    }
}
