//! A chunk from fanout.

use lambda_runtime::tracing::info;
use shared::chunk::{ChunkRequest, ChunkResponse, FailedKey};
use shared::destination::Destination;
use shared::key;
use shared::modes::Records;
use shared::s3::{ObjectId, Written};
use shared::uri::S3Uri;
use tokio::time::Instant;

use crate::commit;
use crate::error::Error;
use crate::event::Meant;
use crate::handler::App;
use crate::in_flight::MOST_IN_FLIGHT;
use crate::pipeline::{Image, Outcome, PerImage};
use crate::run::{Run, Work};

pub async fn process(app: &App, request: ChunkRequest, deadline: Instant) -> Result<ChunkResponse, Error> {
    let source = S3Uri::new(&request.source_bucket, &request.source_prefix)?;
    let destination = Destination::from(request.destination);
    destination.check_apart_from(&source)?;
    check_range(request.concurrency, request.max_requests_per_second)?;

    let images: Vec<Image> = request
        .objects
        .into_iter()
        .map(|object| {
            let relative_key = key::relative(&object.key, &source.prefix).ok_or_else(|| Error::BadEvent {
                what: "chunk",
                problem: format!("key {:?} is outside the source {source}", object.key),
            })?;
            Ok(Image {
                relative_key: relative_key.to_owned(),
                id: ObjectId {
                    bucket: source.bucket.clone(),
                    key: object.key,
                    version_id: object.version_id,
                    etag: object.etag,
                    size: object.size,
                },
                meant: Meant::This,
                storage_class: object.storage_class,
            })
        })
        .collect::<Result<_, Error>>()?;

    let work = Work {
        images: request.images,
        records: match request.records {
            Records::Sidecar => PerImage::Sidecar,
            Records::None | Records::Ndjson => PerImage::Kept,
        },
        write_down_failures: false,
        destination,
        concurrency: request.concurrency,
        max_requests_per_second: request.max_requests_per_second,
    };
    let run = Run::start(app, work, deadline);
    let outcomes = run.pipeline.run(&images).await;
    let counted = Counted::of(&images, &outcomes);
    if request.records == Records::Ndjson && !counted.records.is_empty() {
        let key = run
            .pipeline
            .destination
            .records(&request.job_id, request.chunk, request.attempt);
        match commit::chunk(&run.pipeline, &key, &counted.records).await {
            Ok(Written::Done(_)) => {}
            Ok(Written::Refused) => {
                return Err(Error::GivenUp {
                    chunk: request.chunk,
                    attempt: request.attempt.to_string(),
                });
            }
            Err(failure) => return Err(Error::Commit(failure)),
        }
    }
    let usage = run.usage(&outcomes);
    let response = ChunkResponse {
        job_id: request.job_id,
        chunk: request.chunk,
        attempt: request.attempt.to_string(),
        ok: counted.records.len() as u64,
        with_exif: counted.with_exif,
        skipped: 0,
        concurrency: run.concurrency(),
        reading: run.reading(&usage),
        usage,
        failed: counted.failed,
        unprocessed: counted.unprocessed,
    };
    info!(
        job_id = response.job_id,
        chunk = response.chunk,
        attempt = response.attempt,
        ok = response.ok,
        with_exif = response.with_exif,
        failed = response.failed.len(),
        unprocessed = response.unprocessed.len(),
        throttled = response.usage.throttled,
        concurrency = response.concurrency,
        bytes_read = response.usage.bytes_read,
        elapsed_ms = response.usage.elapsed_ms,
        cpu_ms = response.usage.cpu_ms,
        "chunk processed"
    );
    Ok(response)
}

fn check_range(concurrency: usize, max_requests_per_second: Option<f64>) -> Result<(), Error> {
    let bad = |problem| Err(Error::BadEvent { what: "chunk", problem });
    if !(1..=MOST_IN_FLIGHT).contains(&concurrency) {
        return bad(format!(
            "concurrency: {concurrency} is not within 1 to {MOST_IN_FLIGHT}"
        ));
    }
    match max_requests_per_second {
        Some(rate) if !(0.001..=1e6).contains(&rate) => bad(format!(
            "max_requests_per_second: {rate} is not within 0.001 to 1,000,000"
        )),
        _ => Ok(()),
    }
}

/// The outcomes, sorted out.
struct Counted<'a> {
    records: Vec<&'a [u8]>,
    with_exif: u64,
    failed: Vec<FailedKey>,
    unprocessed: Vec<String>,
}

impl<'a> Counted<'a> {
    fn of(images: &[Image], outcomes: &'a [Outcome]) -> Self {
        let mut counted = Self {
            records: Vec::with_capacity(outcomes.len()),
            with_exif: 0,
            failed: Vec::new(),
            unprocessed: Vec::new(),
        };
        for (image, outcome) in images.iter().zip(outcomes) {
            let key = || image.id.key.clone();
            match outcome {
                Outcome::Ok(done) => {
                    counted.with_exif += u64::from(done.with_exif);
                    counted.records.push(&done.record);
                }
                Outcome::Failed(failure) => {
                    counted
                        .failed
                        .push(FailedKey::new(key(), failure.class, &failure.message));
                }
                Outcome::Unprocessed => counted.unprocessed.push(key()),
            }
        }
        counted
    }
}
