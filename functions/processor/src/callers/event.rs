//! What all callers except fanout share. The environment variables say what is done with their objects.

use lambda_runtime::tracing::warn;
use serde::{Deserialize, Serialize};
use shared::logs;
use shared::modes::Records;
use shared::object::Key;
use shared::protocol::diagnosis::Diagnosis;
use shared::protocol::failure::FailedKey;
use shared::protocol::usage::Usage;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::intake::{Entry, Ignored, Intake};
use crate::invocation::{self, Report};
use crate::outcome::{Failed, Outcome};
use crate::records::RecordSink;
use crate::settings::{Purpose, Settings};
use crate::summary::{Counts, summary};

/// The response to an event. Step Functions reads it, and so do people who invoke the function by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventResponse {
    pub ok: u64,
    pub with_exif: u64,
    /// The number of objects that failed, also of those that the lists leave out.
    pub failed_count: usize,
    pub failed: Vec<FailedKey>,
    /// The file with all objects that failed, if the response has no room for them.
    pub failed_file: Option<String>,
    pub unprocessed: Vec<Key>,
    pub ignored_count: usize,
    pub ignored: Vec<Ignored>,
    pub concurrency: usize,
    #[serde(flatten)]
    pub usage: Usage,
    /// What limited the invocation; absent if no image was processed.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
}

/// The settings of the environment. With `record_failures`, failures that are not retryable are written into the
/// destination, because the caller does not keep them.
pub fn settings(app: &App, record_failures: bool) -> Result<Settings, Error> {
    Ok(Settings {
        images: app.config.images,
        transform: app.config.transform.clone(),
        strip: app.config.strip.clone(),
        max_pixels: app.config.max_pixels,
        one_source: false,
        sink: match app.config.records {
            Records::None => RecordSink::None,
            Records::Ndjson => RecordSink::Event,
            Records::Sidecar => RecordSink::Sidecar,
            Records::Annotation => RecordSink::Annotation,
        },
        record_failures,
        purpose: Purpose::Write,
        destination: app.config.destination.clone().ok_or(Error::NoDestination)?,
        concurrency: app.config.concurrency,
        max_requests_per_second: None,
        request_payer: app.config.request_payer,
    })
}

/// Processes the objects that the entries name.
pub async fn process(app: &App, settings: Settings, entries: &[Entry], deadline: Instant) -> Result<Report, Error> {
    let intake = Intake::of_event(&app.config, &settings.destination, entries);
    let report = invocation::process(app, settings, &intake, deadline).await?;
    log(entries, &report);
    Ok(report)
}

/// Makes the response. If an object must be retried, the invocation fails instead, so that the caller sends the event
/// again. A repeated event does no harm, because it writes the same bytes to the same keys.
pub fn respond(entries: &[Entry], report: Report) -> Result<EventResponse, Error> {
    let unreadable = entries.iter().find_map(|entry| match entry {
        Entry::Unreadable(problem) => Some(problem),
        Entry::Object(_) | Entry::Ignored(_) => None,
    });
    if let Some(problem) = unreadable {
        return Err(Error::BadEvent {
            what: "event",
            problem: format!("{problem} (the rest of the event was processed)"),
        });
    }
    let reason = |(index, entry): (usize, &Entry)| {
        let reason = retry_reason(&report.outcomes, index)?;
        Some(format!("{}: {reason}", entry.name().1))
    };
    let reasons: Vec<String> = entries.iter().enumerate().filter_map(reason).collect();
    if let Some(first) = reasons.first() {
        return Err(Error::RetryableFailures {
            count: reasons.len(),
            first: first.clone(),
        });
    }
    Ok(response(entries, report))
}

/// The outcome of an entry. A duplicate has the outcome of the entry that it repeats.
pub fn outcome(outcomes: &[Outcome], index: usize) -> &Outcome {
    match &outcomes[index] {
        Outcome::Duplicate(first) => &outcomes[*first],
        outcome => outcome,
    }
}

/// The reason why an entry must be retried, or `None`.
pub fn retry_reason(outcomes: &[Outcome], index: usize) -> Option<&str> {
    match outcome(outcomes, index) {
        Outcome::Failed(failed) if failed.retryable => Some(&failed.failure.message),
        Outcome::Unprocessed => Some("not processed in time"),
        Outcome::Ok { .. } | Outcome::Ignored(_) | Outcome::Duplicate(_) | Outcome::Failed(_) => None,
    }
}

fn response(entries: &[Entry], report: Report) -> EventResponse {
    let mut response = EventResponse {
        ok: 0,
        with_exif: 0,
        failed_count: 0,
        failed: Vec::new(),
        failed_file: None,
        unprocessed: Vec::new(),
        ignored_count: 0,
        ignored: Vec::new(),
        concurrency: report.concurrency,
        usage: report.usage,
        diagnosis: report.diagnosis,
    };
    for (entry, outcome) in entries.iter().zip(report.outcomes) {
        let (bucket, key) = entry.name();
        let ignored = |reason: String| Ignored {
            bucket: bucket.to_owned(),
            key: key.clone(),
            reason,
        };
        match outcome {
            Outcome::Ok { with_exif } => {
                response.ok += 1;
                response.with_exif += u64::from(with_exif);
            }
            Outcome::Ignored(reason) => response.ignored.push(ignored(reason)),
            Outcome::Duplicate(_) => response.ignored.push(ignored("the event names it twice".to_owned())),
            Outcome::Failed(failed) => {
                let failure = failed.failure;
                response
                    .failed
                    .push(FailedKey::new(key.clone(), failure.class, &failure.message));
            }
            Outcome::Unprocessed => response.unprocessed.push(key.clone()),
        }
    }
    response.failed_count = response.failed.len();
    response.ignored_count = response.ignored.len();
    response
}

/// Logs the outcomes, because most callers do not read the response.
fn log(entries: &[Entry], report: &Report) {
    let (mut counts, mut ignored) = (Counts::default(), 0);
    for (entry, outcome) in entries.iter().zip(&report.outcomes) {
        match outcome {
            Outcome::Ok { with_exif } => {
                counts.ok += 1;
                counts.with_exif += u64::from(*with_exif);
            }
            Outcome::Ignored(_) | Outcome::Duplicate(_) => ignored += 1,
            Outcome::Failed(Failed { failure, retryable }) => {
                if *retryable {
                    counts.retried += 1;
                } else {
                    counts.add_failed(failure.class);
                }
                warn!(
                    key = logs::shortened(entry.name().1.as_str()),
                    class = %failure.class,
                    retryable,
                    error = logs::shortened(&failure.message),
                    "object failed"
                );
            }
            Outcome::Unprocessed => counts.retried += 1,
        }
    }
    summary("event processed", &counts, &report.usage, report.concurrency)
        .property("entries", entries.len())
        .property("ignored", ignored)
        .log();
}
