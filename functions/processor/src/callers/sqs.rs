//! SQS: each message holds a notification, or an SNS message with one. The response names the messages that must come
//! again, in the format of `ReportBatchItemFailures`.

use std::collections::HashSet;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::tracing::warn;
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
    /// Of a FIFO queue.
    pub group: Option<String>,
    /// The entries of the message, or the reason why it cannot be read.
    pub entries: Result<Vec<Entry>, String>,
}

pub fn messages(mut event: Value) -> Result<Vec<Message>, String> {
    // The attributes are not used. `SqsMessageAttribute` requires lists that SQS reserves for later use and that its
    // emulators do not send (`events/sqs-message-attributes.json`).
    let mut groups = Vec::new();
    for record in event["Records"].as_array_mut().into_iter().flatten() {
        groups.push(record["attributes"]["MessageGroupId"].as_str().map(str::to_owned));
        if let Some(record) = record.as_object_mut() {
            record.remove("attributes");
            record.remove("messageAttributes");
        }
    }
    let event: SqsEvent = shape::of(event)?;
    let messages = event.records.into_iter().zip(groups).enumerate();
    messages
        .map(|(index, (message, group))| read(index, message, group))
        .collect()
}

fn read(index: usize, message: SqsMessage, group: Option<String>) -> Result<Message, String> {
    Ok(Message {
        group,
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
/// be read. The latter come again until the queue moves them to its dead-letter queue. In a FIFO queue, the messages of
/// the same group that follow come again, too, so that the queue keeps its order.
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
    let mut held_back = HashSet::new();
    for (message, mut range) in messages.into_iter().zip(ranges) {
        let is_held_back = message.group.as_ref().is_some_and(|group| held_back.contains(group));
        if is_held_back
            || message.entries.is_err()
            || range.any(|index| event::retry_reason(&report.outcomes, index).is_some())
        {
            held_back.extend(message.group);
            response.add_failure(message.id);
        }
    }
    Ok(response)
}
