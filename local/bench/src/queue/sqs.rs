//! A queue in moto, and pollers that send its messages to processors, as an event source mapping of Lambda does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::ensure;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use local::moto::Moto;
use local::s3::sdk;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The template's `MaximumBatchingWindowInSeconds`.
const WINDOW: Duration = Duration::from_secs(5);

/// The template's `BatchSize`.
const BATCH: usize = 100;

/// The most messages that one request receives or deletes.
const MAX_MESSAGES: usize = 10;

/// The longest time that a request waits for a message.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// A queue. It counts the requests that SQS would charge, except those of pollers that found no message: they are the same
/// while nothing happens.
pub struct Queue {
    client: Client,
    pub moto: Moto,
    requests: AtomicU64,
}

impl Queue {
    pub async fn start() -> anyhow::Result<Self> {
        let moto = Moto::start().await?;
        let client = Client::new(&sdk(&moto.url).await);
        client.create_queue().queue_name("uploads").send().await?;
        Ok(Self {
            client,
            requests: AtomicU64::new(0),
            moto,
        })
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    fn queue_url(&self) -> String {
        format!("{}/123456789012/uploads", self.moto.url)
    }

    pub async fn send(&self, body: &Value) -> anyhow::Result<()> {
        self.requests.fetch_add(1, Relaxed);
        let message = self.client.send_message().queue_url(self.queue_url());
        message.message_body(body.to_string()).send().await?;
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> anyhow::Result<Vec<Message>> {
        let request = self
            .client
            .receive_message()
            .queue_url(self.queue_url())
            .max_number_of_messages(i32::try_from(max)?)
            .wait_time_seconds(i32::try_from(wait.as_secs())?);
        let messages = request.send().await?.messages.unwrap_or_default();
        self.requests.fetch_add(u64::from(!messages.is_empty()), Relaxed);
        Ok(messages)
    }

    /// Waits for a message, and then until the batch is full or its window has ended.
    pub async fn receive_batch(&self) -> anyhow::Result<Vec<Message>> {
        let mut messages = self.receive(MAX_MESSAGES, MAX_WAIT).await?;
        let end = Instant::now() + WINDOW;
        while !messages.is_empty() && messages.len() < BATCH && Instant::now() < end {
            // SQS takes whole seconds. Zero seconds return at once.
            let left = (end - Instant::now()).max(Duration::from_secs(1));
            let room = (BATCH - messages.len()).min(MAX_MESSAGES);
            messages.extend(self.receive(room, left).await?);
        }
        Ok(messages)
    }

    pub async fn delete(&self, messages: &[Message]) -> anyhow::Result<()> {
        for messages in messages.chunks(MAX_MESSAGES) {
            self.requests.fetch_add(1, Relaxed);
            let mut request = self.client.delete_message_batch().queue_url(self.queue_url());
            for (index, message) in messages.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                request = request.entries(entry.set_receipt_handle(message.receipt_handle.clone()).build()?);
            }
            let response = request.send().await?;
            ensure!(response.failed.is_empty(), "not deleted: {:?}", response.failed);
        }
        Ok(())
    }
}

/// The event that the mapping makes of messages.
pub fn event(messages: &[Message]) -> Value {
    let record = |message: &Message| {
        json!({
            "messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:uploads", "awsRegion": "us-east-1",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}
