use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads an event, or a part of one. An error names the field that is wrong.
pub fn of<'a, T, D>(event: D) -> Result<T, String>
where
    T: Deserialize<'a>,
    D: Deserializer<'a>,
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(event).map_err(|error| error.to_string())
}

/// The service that sent a record. SNS writes `EventSource` with a capital E.
pub fn record_source(record: &Value) -> Option<&str> {
    record
        .get("eventSource")
        .or_else(|| record.get("EventSource"))?
        .as_str()
}
