//! Who calls: recognised by shape.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::S3Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::chunk::{ChunkRequest, FailedKey, Usage};
use shared::key;
use shared::s3::{ObjectId, unquoted};

use crate::error::Error;

/// What an invocation asks for.
#[derive(Debug)]
pub enum Event {
    Chunk(Box<ChunkRequest>),
    /// From S3 itself or through `EventBridge`.
    Created(Created),
}

/// Objects that were created, keys plain.
#[derive(Debug, Default)]
pub struct Created {
    pub objects: Vec<ObjectId>,
    pub ignored: Vec<Ignored>,
}

/// A part of an event that asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    pub bucket: String,
    pub key: String,
    pub why: String,
}

/// The answer to an event. Nobody reads it when S3 calls; it is there for those who call by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventResponse {
    pub ok: u64,
    pub with_exif: u64,
    pub failed: Vec<FailedKey>,
    pub unprocessed: Vec<String>,
    pub ignored: Vec<Ignored>,
    #[serde(flatten)]
    pub usage: Usage,
}

impl Event {
    pub fn parse(event: Value) -> Result<Self, Error> {
        let has = |name| event.get(name).is_some();
        if has("Records") {
            let event: S3Event = parse("S3 event", event)?;
            s3(event).map(Self::Created)
        } else if has("detail-type") {
            let event: EventBridgeEvent<Detail> = parse("EventBridge event", event)?;
            Ok(Self::Created(eventbridge(event)))
        } else if has("objects") {
            parse("chunk", event).map(|chunk| Self::Chunk(Box::new(chunk)))
        } else {
            Err(Error::UnknownEvent(fields(&event)))
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(what: &'static str, event: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(event).map_err(|error| Error::BadEvent {
        what,
        problem: error.to_string(),
    })
}

fn fields(event: &Value) -> String {
    match event {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            format!("the fields {}", names.join(", "))
        }
        other => format!("{other:.100}"),
    }
}

/// S3's own notification: keys are URL-encoded.
fn s3(event: S3Event) -> Result<Created, Error> {
    let bad = |problem: String| Error::BadEvent {
        what: "S3 event",
        problem,
    };
    let mut created = Created::default();
    for record in event.records {
        let name = record.event_name.unwrap_or_default();
        let bucket = record
            .s3
            .bucket
            .name
            .ok_or_else(|| bad("a record has no s3.bucket.name".to_owned()))?;
        let object = record.s3.object;
        let encoded = object
            .key
            .ok_or_else(|| bad("a record has no s3.object.key".to_owned()))?;
        let key = key::decode(&encoded).map_err(|error| bad(error.to_string()))?;
        if name.starts_with("ObjectCreated:") {
            created.objects.push(ObjectId {
                bucket,
                key,
                version_id: object.version_id.filter(|version| !version.is_empty()),
                etag: unquoted(&object.e_tag.unwrap_or_default()).to_owned(),
                size: object.size.and_then(|size| u64::try_from(size).ok()),
            });
        } else {
            created.ignored.push(Ignored {
                bucket,
                key,
                why: format!("the event is {name}, not ObjectCreated"),
            });
        }
    }
    Ok(created)
}

/// The detail of an `EventBridge` event from S3 ("Using `EventBridge`" in the S3 User Guide).
#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    bucket: DetailBucket,
    object: DetailObject,
}

#[derive(Debug, Serialize, Deserialize)]
struct DetailBucket {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DetailObject {
    key: String,
    size: Option<u64>,
    #[serde(default)]
    etag: String,
    version_id: Option<String>,
}

/// The same through `EventBridge`: keys are plain.
fn eventbridge(event: EventBridgeEvent<Detail>) -> Created {
    let mut created = Created::default();
    let Detail { bucket, object } = event.detail;
    if event.detail_type == "Object Created" {
        created.objects.push(ObjectId {
            bucket: bucket.name,
            key: object.key,
            version_id: object.version_id.filter(|version| !version.is_empty()),
            etag: unquoted(&object.etag).to_owned(),
            size: object.size,
        });
    } else {
        created.ignored.push(Ignored {
            bucket: bucket.name,
            key: object.key,
            why: format!("the event is {}, not Object Created", event.detail_type),
        });
    }
    created
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_shapes_say_what_they_hold() {
        for (event, part) in [
            (json!({"Recrods": []}), "the fields Recrods"),
            (json!({}), "an empty object"),
            (json!("hello"), "\"hello\""),
            (json!({"objects": [], "job": 1}), "chunk: "),
            (
                json!({"objects": [{"key": "a", "size": "big", "etag": ""}]}),
                "objects[0].size",
            ),
        ] {
            let error = Event::parse(event).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
