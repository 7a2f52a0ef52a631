//! Writing down how far a job is: failed keys, the checkpoint, `job.json`.

use aws_sdk_s3::Client;
use bytes::Bytes;
use lambda_runtime::tracing::{info, warn};
use shared::destination::Destination;
use shared::failure::Failure;
use shared::job::{Report, State};
use shared::s3;

use crate::checkpoint::{Checkpoint, Saved};
use crate::request::Job;

/// Writes a checkpoint, in front of it the failed keys that are no longer in it.
pub async fn save(
    s3: &Client,
    job: &Job,
    snapshot: &Checkpoint,
    etag: Option<&str>,
    failed: Option<(u32, Bytes)>,
) -> Result<Saved, Failure> {
    let destination = &job.destination;
    if let Some((number, lines)) = failed {
        let key = destination.failed(&job.id, snapshot.generation, number);
        s3::put(s3, &destination.bucket, &key, s3::NDJSON, lines).await?;
    }
    snapshot.save(s3, destination, etag).await
}

/// Writes `job.json`, if that can be done: it is made anew from the next checkpoint, or when somebody asks
/// for the report.
pub async fn update_report(s3: &Client, report: &Report) {
    if let Err(failure) = save_report(s3, report).await {
        warn!(%failure, "job.json was not updated");
    }
}

/// Writes `job.json`.
pub async fn save_report(s3: &Client, report: &Report) -> Result<(), Failure> {
    let body = serde_json::to_vec_pretty(report).expect("a report is valid JSON");
    let destination = Destination::from(report.destination.clone());
    s3::put(
        s3,
        &destination.bucket,
        &destination.job(&report.job_id),
        s3::JSON,
        body.into(),
    )
    .await
}

/// The one line that a job leaves in the log once it has ended.
pub fn log_end(report: &Report) {
    if report.state == State::Running {
        return;
    }
    info!(
        job_id = report.job_id,
        state = ?report.state,
        reason = report.reason,
        generation = report.generation,
        listed = report.listed,
        ok = report.ok,
        failed = report.failed,
        pending = report.pending,
        invocations = report.invocations,
        elapsed_ms = report.elapsed_ms,
        "job ended"
    );
}
