//! SQS: each message holds a notification, or an SNS message with one. The response names the messages that must come
//! again, in the format of `ReportBatchItemFailures`.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::tracing::{info, warn};
use serde_json::Value;
use tokio::time::Instant;

use super::{event, notification, shape};
use crate::app::App;
use crate::error::Error;
use crate::intake::Entry;

/// One message.
#[derive(Debug)]
pub struct Message {
    pub id: String,
    /// The entries of the message, or the reason why it cannot be read.
    pub entries: Result<Vec<Entry>, String>,
}

pub fn messages(mut event: Value) -> Result<Vec<Message>, String> {
    // The attributes are not used. `SqsMessageAttribute` requires lists that SQS reserves for later use and that its
    // emulators do not send (`events/sqs-message-attributes.json`).
    for record in event["Records"].as_array_mut().into_iter().flatten() {
        if let Some(record) = record.as_object_mut() {
            record.remove("attributes");
            record.remove("messageAttributes");
        }
    }
    let event: SqsEvent = shape::of(event)?;
    event.records.into_iter().enumerate().map(message).collect()
}

fn message((index, message): (usize, SqsMessage)) -> Result<Message, String> {
    Ok(Message {
        id: message
            .message_id
            .ok_or_else(|| format!("Records[{index}]: missing field `messageId`"))?,
        entries: entries(&message.body.unwrap_or_default()),
    })
}

fn entries(body: &str) -> Result<Vec<Entry>, String> {
    notification::wrapped(body)?.ok_or_else(|| format!("it is not an S3 notification: {body:.100}"))
}

/// Responds with the messages that must come again: those with an object that must be retried, and those that cannot
/// be read. The latter come again until the queue moves them to its dead-letter queue.
pub async fn respond(app: &App, messages: Vec<Message>, deadline: Instant) -> Result<SqsBatchResponse, Error> {
    let mut entries = Vec::new();
    // The indexes of each message's entries.
    let mut ranges = Vec::with_capacity(messages.len());
    for message in &messages {
        let start = entries.len();
        match &message.entries {
            Ok(found) => entries.extend_from_slice(found),
            Err(problem) => warn!(message_id = message.id, problem, "a message cannot be read"),
        }
        ranges.push(start..entries.len());
    }
    let report = event::process(app, &entries, true, deadline).await?;
    let mut response = SqsBatchResponse::default();
    for (message, mut range) in messages.into_iter().zip(ranges) {
        if message.entries.is_err() || range.any(|index| event::retry_reason(&report.outcomes, index).is_some()) {
            response.add_failure(message.id);
        }
    }
    info!(failed = response.batch_item_failures.len(), "messages processed");
    Ok(response)
}
