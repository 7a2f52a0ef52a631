//! fanout: a sample of the images of a job, to be measured for a plan. Its wire format is in
//! `shared::protocol::sample`. Nothing is written.

use lambda_runtime::tracing::info;
use shared::modes::Images;
use shared::protocol::chunk::ChunkRequest;
use shared::protocol::sample::SampleResponse;
use tokio::time::Instant;

use super::chunk;
use crate::app::App;
use crate::error::Error;
use crate::invocation;
use crate::outcome::Outcome;
use crate::records::RecordSink;
use crate::settings::{Purpose, Settings};

pub async fn respond(app: &App, mut request: ChunkRequest, deadline: Instant) -> Result<SampleResponse, Error> {
    if request.images != Images::Transform {
        return Err(Error::BadEvent {
            what: "plan",
            problem: "images: only transform can be measured without writing anything".to_owned(),
        });
    }
    let (intake, settings) = chunk::accept(&mut request)?;
    let settings = Settings {
        sink: RecordSink::None,
        purpose: Purpose::Measure,
        ..settings
    };
    let report = invocation::process(app, settings, &intake, deadline).await?;
    let mut response = SampleResponse {
        pixels: report.pixels,
        bytes_read: report.usage.bytes_read,
        bytes_written: report.usage.bytes_written,
        cpu_ms: report.usage.cpu_ms,
        ..SampleResponse::default()
    };
    for outcome in report.outcomes {
        match outcome {
            Outcome::Ok { .. } => response.images += 1,
            Outcome::Failed(failed) => *response.failed.entry(failed.failure.class).or_default() += 1,
            // Only entries of an event are ignored or duplicates, and not the objects of a chunk.
            Outcome::Unprocessed | Outcome::Ignored(_) | Outcome::Duplicate(_) => response.unprocessed += 1,
        }
    }
    info!(
        images = response.images,
        failed = response.finished() - response.images,
        unprocessed = response.unprocessed,
        bytes_read = response.bytes_read,
        cpu_ms = response.cpu_ms,
        "sample measured"
    );
    Ok(response)
}
