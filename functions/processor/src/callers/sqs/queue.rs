//! Deletes messages from their queue. Lambda does it only after the response, which a dying process does not send.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use futures::future::join_all;
use lambda_runtime::tracing::warn;
use shared::s3::{Cause, attempt_timeout};

use super::Message;
use crate::app::App;

/// The most messages that one request can delete.
const MAX_BATCH: usize = 10;

/// For each try of a request. SQS responds in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);

pub struct Queue {
    client: Client,
    /// `None` if it is not known. Then nothing is deleted.
    url: Option<String>,
}

impl Queue {
    /// The queue of a message.
    pub async fn of(app: &App, message: &Message) -> Self {
        let config = Builder::from(&app.sdk).timeout_config(attempt_timeout(TIMEOUT)).build();
        let client = Client::from_conf(config);
        let url = match message.queue_arn.as_deref() {
            Some(arn) => url(&client, arn).await,
            // Not from an event source mapping: the sender keeps the messages.
            None => None,
        };
        Self { client, url }
    }

    /// Deletes messages. One that cannot be deleted comes again, which does no harm.
    pub async fn delete(&self, messages: &[Message]) {
        let Some(url) = &self.url else { return };
        let deleted = messages.chunks(MAX_BATCH).map(|batch| async move {
            let entries = batch.iter().enumerate().filter_map(|(index, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(message.receipt_handle.as_ref()?).build().ok()
            });
            let request = self.client.delete_message_batch().queue_url(url);
            match request.set_entries(Some(entries.collect())).send().await {
                Ok(response) => {
                    for failed in response.failed() {
                        warn!(
                            code = failed.code(),
                            error = failed.message(),
                            "a message was not deleted"
                        );
                    }
                }
                Err(error) => warn!(error = %Cause::from_sdk(&error), "messages were not deleted"),
            }
        });
        join_all(deleted).await;
    }
}

/// The URL of a queue with an ARN like `arn:aws:sqs:us-east-1:111122223333:uploads`.
async fn url(client: &Client, arn: &str) -> Option<String> {
    let mut parts = arn.rsplit(':');
    let (name, account) = (parts.next()?, parts.next()?);
    let found = client
        .get_queue_url()
        .queue_name(name)
        .queue_owner_aws_account_id(account);
    match found.send().await {
        Ok(found) => found.queue_url,
        Err(error) => {
            warn!(arn, error = %Cause::from_sdk(&error), "the queue was not found, so no message is deleted before the end");
            None
        }
    }
}
