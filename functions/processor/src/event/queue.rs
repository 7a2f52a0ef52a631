//! SQS: each message holds a notification, perhaps in SNS's envelope. The answer names the messages that
//! are to come again, as `ReportBatchItemFailures` has it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, notification, parse};
use crate::error::Error;

/// One message.
#[derive(Debug)]
pub struct Message {
    pub id: String,
    /// What it names, or why it cannot be read.
    pub entries: Result<Vec<Entry>, String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueResponse {
    pub batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    pub item_identifier: String,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    #[serde(default)]
    body: String,
}

pub fn messages(event: Value) -> Result<Vec<Message>, Error> {
    let batch: Batch = parse("SQS", event)?;
    let message = |record: Record| Message {
        id: record.message_id,
        entries: entries(&record.body),
    };
    Ok(batch.records.into_iter().map(message).collect())
}

fn entries(body: &str) -> Result<Vec<Entry>, String> {
    notification::wrapped(body)?.ok_or_else(|| format!("it is no notification of S3: {body:.100}"))
}
