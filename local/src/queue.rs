//! A stand-in for a queue of SQS, with the event source mapping that sends its messages to a function.
//!
//! It models what the developer guide and the API reference of SQS say:
//! - A message that was received is invisible until it is deleted, or its visibility time-out ends. The caller says when
//!   it ends.
//! - A message that was received more often than `maxReceiveCount` moves to the dead-letter queue.
//! - The mapping deletes the messages of a batch after the response, except those in `batchItemFailures`.
//! - `GetQueueUrl` and `DeleteMessageBatch`. A receipt handle is that of the last receive.
//!
//! Permissions, FIFO queues and pollers are not modelled.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::http_server::HttpServer;

const NAME: &str = "uploads";
const ACCOUNT: &str = "111122223333";

/// The most messages that one request can delete.
const MAX_DELETIONS: usize = 10;

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct Queue {
    messages: Arc<Mutex<Messages>>,
    http: HttpServer,
}

#[derive(Debug)]
struct Messages {
    max_receive_count: u32,
    sent: usize,
    visible: Vec<Message>,
    in_flight: Vec<Message>,
    dead: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    id: String,
    body: String,
    receives: u32,
}

impl Message {
    fn receipt_handle(&self) -> String {
        format!("{}-{}", self.id, self.receives)
    }

    /// As the mapping sends it.
    fn record(&self) -> Value {
        json!({
            "messageId": self.id, "receiptHandle": self.receipt_handle(), "body": self.body,
            "attributes": {"ApproximateReceiveCount": self.receives.to_string()}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{NAME}"),
            "awsRegion": "us-east-1",
        })
    }
}

impl Queue {
    pub async fn start(max_receive_count: u32) -> anyhow::Result<Self> {
        let messages = Arc::new(Mutex::new(Messages {
            max_receive_count,
            sent: 0,
            visible: Vec::new(),
            in_flight: Vec::new(),
            dead: Vec::new(),
        }));
        let shared = messages.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let messages = shared.clone();
            async move {
                let operation = request.headers().get("x-amz-target").context("no x-amz-target")?;
                let operation = operation.to_str()?.trim_start_matches("AmazonSQS.").to_owned();
                let body = request.into_body().collect().await?.to_bytes();
                let response = messages.lock().respond(&operation, &serde_json::from_slice(&body)?)?;
                anyhow::Ok(Response::new(Full::new(Bytes::from(response.to_string()))))
            }
        });
        Ok(Self {
            messages,
            http: HttpServer::start(0, None, service).await?,
        })
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.http.url()
    }

    pub fn send(&self, body: &Value) {
        let mut messages = self.messages.lock();
        messages.sent += 1;
        let message = Message {
            id: format!("00000000-0000-0000-0000-{:012}", messages.sent),
            body: body.to_string(),
            receives: 0,
        };
        messages.visible.push(message);
    }

    /// Receives up to `max` messages, as the event for the function. `None` if there is none.
    #[must_use]
    pub fn receive(&self, max: usize) -> Option<Value> {
        let mut messages = self.messages.lock();
        let mut records = Vec::new();
        while records.len() < max && !messages.visible.is_empty() {
            let mut message = messages.visible.remove(0);
            if message.receives == messages.max_receive_count {
                messages.dead.push(message);
                continue;
            }
            message.receives += 1;
            records.push(message.record());
            messages.in_flight.push(message);
        }
        Some(json!({"Records": records})).filter(|_| !records.is_empty())
    }

    /// Deletes the messages in flight, except those that must come again.
    pub fn responded(&self, response: &Value) {
        let failures = response["batchItemFailures"].as_array().into_iter().flatten();
        let failed: Vec<_> = failures.map(|failure| &failure["itemIdentifier"]).collect();
        let is_failed = |message: &mut Message| failed.iter().any(|id| **id == message.id.as_str());
        self.messages.lock().in_flight.retain_mut(is_failed);
    }

    /// Ends the visibility time-out of all messages in flight.
    pub fn end_visibility_timeout(&self) {
        let mut messages = self.messages.lock();
        let in_flight = std::mem::take(&mut messages.in_flight);
        messages.visible.extend(in_flight);
    }

    /// The bodies of the messages in the dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<String> {
        self.messages
            .lock()
            .dead
            .iter()
            .map(|message| message.body.clone())
            .collect()
    }
}

impl Messages {
    fn respond(&mut self, operation: &str, request: &Value) -> anyhow::Result<Value> {
        match operation {
            "GetQueueUrl" => Ok(json!({"QueueUrl": format!("https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{NAME}")})),
            "DeleteMessageBatch" => self.delete(request["Entries"].as_array().context("no Entries")?),
            other => bail!("{other} is not modelled"),
        }
    }

    fn delete(&mut self, entries: &[Value]) -> anyhow::Result<Value> {
        if entries.is_empty() || entries.len() > MAX_DELETIONS {
            bail!("{} entries are not within 1 to {MAX_DELETIONS}", entries.len());
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let is_named = |message: &Message| entry["ReceiptHandle"] == message.receipt_handle().as_str();
            match self.in_flight.iter().position(is_named) {
                Some(index) => {
                    self.in_flight.remove(index);
                    successful.push(json!({"Id": entry["Id"]}));
                }
                None => failed.push(json!({
                    "Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": true,
                })),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }
}
