//! Starts a job and shows its progress.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_s3::Client;
use job::bar::Bar;
use serde_json::Value;
use shared::destination::Destination;
use shared::protocol::job::Report;
use shared::report::text::visible;
use shared::s3::{self, Cause};
use tokio::time::sleep;

const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Invokes fanout, and shows the progress from `job.json` until fanout responds.
pub async fn job(
    s3: &Client,
    lambda: &aws_sdk_lambda::Client,
    destination: &Destination,
    job_id: &str,
    request: &Value,
) -> anyhow::Result<Report> {
    tokio::select! {
        report = invoke(lambda, request) => report,
        never = show(s3, destination, job_id) => match never {},
    }
}

async fn invoke(lambda: &aws_sdk_lambda::Client, request: &Value) -> anyhow::Result<Report> {
    let output = lambda
        .invoke()
        .function_name("fanout")
        .payload(Blob::new(request.to_string()))
        .send()
        .await
        .map_err(|error| {
            // The emulator reports an error of the function as HTTP 500.
            let body = error.raw_response().and_then(|response| response.body().bytes());
            match body {
                Some(body) => anyhow!("fanout failed: {}", visible(&String::from_utf8_lossy(body))),
                None => anyhow!(
                    "cargo lambda watch does not answer any longer: {}",
                    Cause::from_sdk(&error)
                ),
            }
        })?;
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    serde_json::from_slice(payload).with_context(|| {
        format!(
            "fanout did not respond with a report: {}",
            String::from_utf8_lossy(payload)
        )
    })
}

/// Shows a progress bar until it is dropped.
async fn show(s3: &Client, destination: &Destination, job_id: &str) -> std::convert::Infallible {
    let file = destination.job(job_id);
    let bar = Bar::new();
    loop {
        sleep(POLL_INTERVAL).await;
        // There is no report before the job has started.
        let Ok((_, body)) = s3::get_latest(s3, &file).await else {
            continue;
        };
        let Ok(report) = serde_json::from_slice::<Report>(&body) else {
            continue;
        };
        bar.show(&report);
    }
}
