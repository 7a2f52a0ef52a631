use aws_config::SdkConfig;
use lambda_runtime::tracing::{info, warn};
use serde_json::Value;
use shared::deadline;
use shared::failure::{Class, Failure};
use tokio::time::Instant;

use crate::chunk;
use crate::config::Config;
use crate::error::Error;
use crate::event::{
    BatchJob, BatchResponse, Code, Entry, Event, ItemFailure, Message, QueueResponse, Task, TaskResult,
};
use crate::limits::Limits;
use crate::objects::{self, EventResponse, Fate};

/// Built once, at cold start, and shared by all invocations of this process.
pub struct App {
    pub config: Config,
    pub sdk: SdkConfig,
    pub(crate) limits: Limits,
}

impl App {
    #[must_use]
    pub fn new(config: Config, sdk: SdkConfig) -> Self {
        Self {
            limits: Limits::new(config.memory_mb),
            config,
            sdk,
        }
    }
}

/// Handles one invocation. `deadline_ms` is since 1970, as Lambda gives it.
pub async fn handle(app: &App, event: Value, deadline_ms: u64) -> Result<Value, Error> {
    let deadline = deadline::of(deadline_ms, app.config.timeout);
    let response = match Event::parse(event, app.config.source.as_ref())? {
        Event::Chunk(request) => serde_json::to_value(chunk::process(app, *request, deadline).await?),
        Event::Notification(entries) => serde_json::to_value(entries_of(app, &entries, true, deadline).await?),
        Event::Map(entries) => serde_json::to_value(entries_of(app, &entries, false, deadline).await?),
        Event::Queue(messages) => serde_json::to_value(queue(app, messages, deadline).await?),
        Event::Batch(job) => serde_json::to_value(batch(app, job, deadline).await?),
    };
    Ok(response.expect("a response is valid JSON"))
}

/// Fails the invocation when something may go well the next time, since that is how its caller is told to
/// send it again: everything here is idempotent.
async fn entries_of(
    app: &App,
    entries: &[Entry],
    write_down_failures: bool,
    deadline: Instant,
) -> Result<EventResponse, Error> {
    let done = objects::process(app, entries, write_down_failures, deadline).await?;
    let again = |(index, entry): (usize, &Entry)| done.again(index).map(|why| format!("{}: {why}", entry.name().1));
    let reasons: Vec<String> = entries.iter().enumerate().filter_map(again).collect();
    if let Some(first) = reasons.first() {
        return Err(Error::TryAgain {
            count: reasons.len(),
            first: first.clone(),
        });
    }
    Ok(done.response(entries))
}

/// A message fails, and comes again, if one of its objects failed for a passing reason; or if it cannot be
/// read, so that it ends in the dead-letter queue.
async fn queue(app: &App, messages: Vec<Message>, deadline: Instant) -> Result<QueueResponse, Error> {
    let mut entries = Vec::new();
    // Where each message's entries are.
    let mut ranges = Vec::with_capacity(messages.len());
    for message in &messages {
        let start = entries.len();
        match &message.entries {
            Ok(found) => entries.extend_from_slice(found),
            Err(problem) => warn!(message_id = message.id, problem, "a message cannot be read"),
        }
        ranges.push(start..entries.len());
    }
    let done = objects::process(app, &entries, true, deadline).await?;
    let failed = messages.into_iter().zip(ranges).filter_map(|(message, mut range)| {
        let failed = message.entries.is_err() || range.any(|index| done.again(index).is_some());
        failed.then_some(ItemFailure {
            item_identifier: message.id,
        })
    });
    let response = QueueResponse {
        batch_item_failures: failed.collect(),
    };
    info!(failed = response.batch_item_failures.len(), "messages processed");
    Ok(response)
}

async fn batch(app: &App, job: BatchJob, deadline: Instant) -> Result<BatchResponse, Error> {
    let objects: Vec<Result<_, String>> = job.tasks.iter().map(Task::object).collect();
    let entries: Vec<Entry> = objects
        .iter()
        .filter_map(|object| object.clone().ok().map(Entry::Object))
        .collect();
    let done = objects::process(app, &entries, false, deadline).await?;
    let mut index = 0..entries.len();
    let results = job.tasks.into_iter().zip(objects).map(|(task, object)| {
        let (result_code, result_string) = match object {
            Err(problem) => (Code::PermanentFailure, problem),
            Ok(_) => result(done.fate(index.next().expect("each object has its entry"))),
        };
        TaskResult {
            task_id: task.id,
            result_code,
            result_string,
        }
    });
    Ok(BatchResponse {
        results: results.collect(),
        invocation_schema_version: job.invocation_schema_version,
        treat_missing_keys_as: Code::TemporaryFailure,
        invocation_id: job.invocation_id,
    })
}

fn result(fate: &Fate) -> (Code, String) {
    let failure = |failure: &Failure| format!("{}: {:.300}", failure.class, failure.message);
    match fate {
        Fate::Ok { with_exif: true } => (Code::Succeeded, "ok".to_owned()),
        Fate::Ok { with_exif: false } => (Code::Succeeded, "ok, without EXIF".to_owned()),
        Fate::Ignored(why) => (Code::Succeeded, format!("ignored: {why}")),
        Fate::Twice(_) => (Code::Succeeded, "ignored: it comes twice".to_owned()),
        Fate::Failed(failed) => (Code::PermanentFailure, failure(failed)),
        Fate::Again(failed) => (Code::TemporaryFailure, failure(failed)),
        Fate::Unprocessed => (
            Code::TemporaryFailure,
            failure(&Failure::new(Class::Timeout, "not done in time")),
        ),
    }
}
