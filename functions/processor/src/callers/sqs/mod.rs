//! SQS: each message holds a notification, or an SNS message with one. The response names the messages that must come
//! again, in the format of `ReportBatchItemFailures`.
//!
//! | module | content |
//! |---|---|
//! | [`turns`] | which messages are processed together, and which alone |
//! | [`queue`] | deletes messages from their queue before the response |

mod queue;
mod turns;

use std::collections::HashSet;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::tracing::warn;
use serde_json::Value;
use tokio::time::Instant;

use self::queue::Queue;
use self::turns::Turns;
use super::{event, notification, shape};
use crate::app::App;
use crate::error::Error;
use crate::intake::Entry;

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    id: String,
    /// Names the message in requests to its queue.
    receipt_handle: Option<String>,
    queue_arn: Option<String>,
    /// How often it has been received, including this time.
    receives: u32,
    /// Of a FIFO queue.
    group: Option<String>,
    /// The entries of the message, or the reason why it cannot be read.
    entries: Result<Vec<Entry>, String>,
}

/// The attributes of a message that are used.
struct Attributes {
    receives: u32,
    group: Option<String>,
}

pub fn messages(mut event: Value) -> Result<Vec<Message>, String> {
    // `SqsMessageAttribute` requires lists that SQS reserves for later use and that its emulators do not send
    // (`events/sqs-message-attributes.json`).
    let mut attributes = Vec::new();
    for record in event["Records"].as_array_mut().into_iter().flatten() {
        let text = |name: &str| record["attributes"][name].as_str();
        attributes.push(Attributes {
            receives: text("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            group: text("MessageGroupId").map(str::to_owned),
        });
        if let Some(record) = record.as_object_mut() {
            record.remove("attributes");
            record.remove("messageAttributes");
        }
    }
    let event: SqsEvent = shape::of(event)?;
    let messages = event.records.into_iter().zip(attributes).enumerate();
    messages
        .map(|(index, (message, attributes))| read(index, message, attributes))
        .collect()
}

fn read(index: usize, message: SqsMessage, attributes: Attributes) -> Result<Message, String> {
    Ok(Message {
        id: message
            .message_id
            .ok_or_else(|| format!("Records[{index}]: missing field `messageId`"))?,
        receipt_handle: message.receipt_handle,
        queue_arn: message.event_source_arn,
        receives: attributes.receives,
        group: attributes.group,
        entries: entries(&message.body.unwrap_or_default()),
    })
}

fn entries(body: &str) -> Result<Vec<Entry>, String> {
    notification::wrapped(body)?.ok_or_else(|| format!("it is not an S3 notification: {body:.100}"))
}

/// Responds with the messages that must come again: those with an object that must be retried, and those that cannot
/// be read. The latter come again until the queue moves them to its dead-letter queue. In a FIFO queue, the messages of
/// the same group that follow come again, too, so that the queue keeps its order.
///
/// A message that was received before may be the one that killed the process. It is processed alone, after all others
/// have been deleted from the queue, so that they do not come again if the process dies.
pub async fn respond(app: &App, messages: Vec<Message>, deadline: Instant) -> Result<SqsBatchResponse, Error> {
    let Turns { together, alone } = Turns::of(messages);
    let mut batch = Batch::default();
    let finished = batch.process(app, together, deadline).await?;
    if let Some(first) = alone.first() {
        let queue = Queue::of(app, first).await;
        queue.delete(&finished).await;
        for message in alone {
            let finished = batch.process(app, vec![message], deadline).await?;
            queue.delete(&finished).await;
        }
    }
    Ok(batch.response)
}

/// The messages of an invocation.
#[derive(Default)]
struct Batch {
    response: SqsBatchResponse,
    /// Groups of a FIFO queue with a message that must come again.
    held_back: HashSet<String>,
}

impl Batch {
    /// Processes messages together. Returns those that are finished, and adds the others to the response.
    async fn process(&mut self, app: &App, messages: Vec<Message>, deadline: Instant) -> Result<Vec<Message>, Error> {
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
        let report = event::process(app, event::settings(app, true)?, &entries, deadline).await?;
        let mut finished = Vec::with_capacity(messages.len());
        for (message, mut range) in messages.into_iter().zip(ranges) {
            if self.is_held_back(&message)
                || message.entries.is_err()
                || range.any(|index| event::retry_reason(&report.outcomes, index).is_some())
            {
                self.held_back.extend(message.group);
                self.response.add_failure(message.id);
            } else {
                finished.push(message);
            }
        }
        Ok(finished)
    }

    fn is_held_back(&self, message: &Message) -> bool {
        message
            .group
            .as_ref()
            .is_some_and(|group| self.held_back.contains(group))
    }
}
