//! fanout: a chunk of the objects of a job. Its wire format is in `shared::protocol::chunk`.

use shared::destination::Destination;
use shared::logs;
use shared::modes::Records;
use shared::object::{Key, S3Uri};
use shared::protocol::chunk::{ChunkRequest, ChunkResponse};
use shared::protocol::failure::FailedKey;
use shared::transform::DEFAULT_MAX_PIXELS;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::intake::Intake;
use crate::invocation;
use crate::limits::MAX_IN_FLIGHT;
use crate::outcome::Outcome;
use crate::records::{ChunkFile, RecordSink};
use crate::settings::{Purpose, Settings, transform};
use crate::summary::{Counts, summary};

pub async fn respond(app: &App, mut request: ChunkRequest, deadline: Instant) -> Result<ChunkResponse, Error> {
    logs::belongs_to_job(&request.job_id);
    let (intake, settings) = accept(&mut request)?;
    let report = invocation::process(app, settings, &intake, deadline).await?;

    let mut response = ChunkResponse {
        job_id: request.job_id,
        chunk: request.chunk,
        attempt: request.attempt.to_string(),
        ok: report.tally.ok,
        with_exif: report.tally.with_exif,
        found: report.tally.found,
        examples: report.tally.examples,
        concurrency: report.concurrency,
        diagnosis: report.diagnosis,
        usage: report.usage,
        ..ChunkResponse::default()
    };
    for (image, outcome) in intake.images.iter().zip(report.outcomes) {
        count(&mut response, &image.object.key, outcome);
    }
    log(&response);
    Ok(response)
}

/// Checks a request. Returns its images, which it takes out of the request, and what to do with them.
pub fn accept(request: &mut ChunkRequest) -> Result<(Intake, Settings), Error> {
    let source = S3Uri {
        bucket: request.source_bucket.clone(),
        prefix: request.source_prefix.clone(),
    };
    let destination = Destination::new(request.destination.clone(), request.records_destination.clone());
    destination.check_apart_from(&source)?;
    check_range(request.concurrency, request.max_requests_per_second)?;

    let intake = Intake::of_chunk(std::mem::take(&mut request.objects), &source)?;
    let transform = transform(request.images, request.transform.as_ref())
        .map_err(|problem| Error::BadEvent { what: "chunk", problem })?;
    let settings = Settings {
        images: request.images,
        transform,
        strip: request.strip.take().unwrap_or_default(),
        max_pixels: request.max_pixels.unwrap_or(DEFAULT_MAX_PIXELS),
        one_source: true,
        sink: sink(request),
        record_failures: false,
        purpose: Purpose::Write,
        destination,
        concurrency: request.concurrency,
        max_requests_per_second: request.max_requests_per_second,
        request_payer: request.request_payer,
    };
    Ok((intake, settings))
}

fn check_range(concurrency: usize, max_requests_per_second: Option<f64>) -> Result<(), Error> {
    let bad = |problem| Err(Error::BadEvent { what: "chunk", problem });
    if !(1..=MAX_IN_FLIGHT).contains(&concurrency) {
        return bad(format!("concurrency: {concurrency} is not within 1 to {MAX_IN_FLIGHT}"));
    }
    match max_requests_per_second {
        Some(rate) if !(0.001..=1e6).contains(&rate) => bad(format!(
            "max_requests_per_second: {rate} is not within 0.001 to 1,000,000"
        )),
        _ => Ok(()),
    }
}

fn sink(request: &ChunkRequest) -> RecordSink {
    match request.records {
        Records::None => RecordSink::None,
        Records::Ndjson => RecordSink::Chunk(ChunkFile {
            job_id: request.job_id.clone(),
            chunk: request.chunk,
            attempt: request.attempt,
        }),
        Records::Sidecar => RecordSink::Sidecar,
        Records::Annotation => RecordSink::Annotation,
    }
}

fn count(response: &mut ChunkResponse, key: &Key, outcome: Outcome) {
    match outcome {
        // Counted in the tally.
        Outcome::Ok { .. } => {}
        Outcome::Failed(failed) => {
            let failure = failed.failure;
            response
                .failed
                .push(FailedKey::new(key.clone(), failure.class, &failure.message));
        }
        Outcome::Unprocessed => response.unprocessed.push(key.clone()),
        // This does not happen: fanout has filtered the objects of a chunk, and each of them is an exact version.
        Outcome::Ignored(_) | Outcome::Duplicate(_) => response.skipped += 1,
    }
}

fn log(response: &ChunkResponse) {
    let mut counts = Counts {
        ok: response.ok,
        with_exif: response.with_exif,
        retried: response.unprocessed.len() as u64,
        ..Counts::default()
    };
    for failed in &response.failed {
        counts.add_failed(failed.class);
    }
    summary("chunk processed", &counts, &response.usage, response.concurrency)
        .property("chunk", response.chunk)
        .property("attempt", response.attempt.as_str())
        .log();
}
