//! The report of a job: `job.json`, fanout's response, and `report.html` when the job has ended.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;
use lambda_runtime::tracing::warn;
use shared::bottleneck::{JobMeasurements, Measurements};
use shared::destination::Destination;
use shared::logs::{Summary, Unit};
use shared::object::ETag;
use shared::prices::{Cost, PRICES, Used};
use shared::protocol::diagnosis::Diagnosis;
use shared::protocol::job::{Report, State};
use shared::protocol::usage::Requests;
use shared::report::{page, words};
use shared::s3::{self, Condition, ConditionalWrite, ErrorKind};
use tokio::sync::Mutex;

use super::checkpoint::{Checkpoint, FunctionSizes};
use super::error::Error;
use crate::job::Job;

impl Checkpoint {
    pub fn report(&self) -> Report {
        let (header, counters) = (&self.header, &self.counters);
        let elapsed = Duration::from_millis(counters.elapsed_ms);
        let images_per_second = ratio(counters.processed() as f64, elapsed.as_secs_f64());
        let mut requests = counters.requests;
        requests += counters.usage.requests;
        requests += Requests {
            invoke: counters.invocations,
            ..Requests::default()
        };
        let listing_finished = self.cursors.is_empty();
        let seconds_left = (header.state == State::Running && listing_finished && images_per_second > 0.0)
            .then(|| ratio(counters.pending() as f64, images_per_second));
        Report {
            job_id: header.job_id.clone(),
            parent: header.request.parent.clone(),
            state: header.state,
            reason: header.reason.clone(),
            note: self.note(),
            generation: header.generation,
            source: header.source.clone(),
            destination: header.destination.clone(),
            records_destination: header.records_destination.clone(),
            images: Some(header.request.images()),
            records: Some(header.request.records()),
            listing_finished,
            seconds_left,
            listed: counters.listed,
            ignored: counters.ignored,
            skipped: counters.skipped,
            ok: counters.ok,
            with_exif: counters.with_exif,
            failed: counters.failed(),
            pending: counters.pending(),
            failures: counters.failures.clone(),
            ignored_by: counters.ignored_by.clone(),
            ignored_image_endings: counters.ignored_image_endings.clone(),
            examples: counters.examples.clone(),
            found: counters.found.clone(),
            series: counters.series.clone(),
            cost_usd: header.functions.map(|functions| self.cost(functions, &requests)),
            planned: header.request.planned,
            chunks: counters.chunks,
            invocations: counters.invocations,
            requests,
            throttled: counters.throttled + counters.usage.throttled + counters.invocations_throttled,
            bytes_listed: counters.bytes_listed,
            bytes_read: counters.usage.bytes_read,
            bytes_written: counters.usage.bytes_written,
            elapsed_ms: counters.elapsed_ms,
            images_per_second,
            cpu_ms_per_image: ratio(counters.usage.cpu_ms as f64, counters.processed() as f64),
            stages: counters.usage.stages.summary(),
            diagnosis: self.diagnosis(),
        }
    }

    /// What it has cost so far. Of a processor that died, only the invocation is known.
    fn cost(&self, functions: FunctionSizes, requests: &Requests) -> Cost {
        let gb_seconds = |milliseconds: u64, megabytes: u32| milliseconds as f64 / 1e3 * f64::from(megabytes) / 1024.0;
        let used = Used {
            gb_seconds: gb_seconds(self.counters.elapsed_ms, functions.fanout_mb)
                + gb_seconds(self.counters.usage.elapsed_ms, functions.processor_mb),
            architecture: functions.architecture,
            invocations: requests.invoke + u64::from(self.header.generation),
            requests,
        };
        PRICES.cost(&used).rounded()
    }

    /// What a user should know about a job that has ended.
    fn note(&self) -> Option<String> {
        let (header, counters) = (&self.header, &self.counters);
        if header.state != State::Completed || counters.listed > counters.ignored {
            return None;
        }
        if counters.listed > 0 {
            let most = counters.ignored_by.iter().max_by_key(|(_, count)| **count);
            let most =
                most.map(|(reason, count)| format!(", {count} of them for this reason: {}", words::ignored(*reason)));
            return Some(format!(
                "nothing was processed: all {} keys were ignored{}",
                counters.listed,
                most.unwrap_or_default()
            ));
        }
        Some(match (&header.request.manifest, &header.request.parent) {
            (_, Some(parent)) => format!("job {parent} has left no keys, so there was nothing to do"),
            (Some(manifest), None) => format!("nothing was listed: {manifest} names no keys"),
            (None, None) => format!(
                "nothing was listed: no key of the bucket {} begins with {:?}; check the spelling, and the case",
                header.source.bucket,
                header.source.prefix.as_str()
            ),
        })
    }

    /// The bottleneck of the job so far.
    fn diagnosis(&self) -> Option<Diagnosis> {
        let header = &self.header;
        // The request was valid when the job started. But another version of fanout may have had other ranges.
        let job = Job::from_request(&header.request, &header.job_id).ok()?;
        let counters = &self.counters;
        let measurements = Measurements {
            usage: &counters.usage,
            concurrency: job.concurrency,
            max_requests_per_second: job.max_requests_per_second,
            job: Some(JobMeasurements {
                elapsed_ms: counters.elapsed_ms,
                parallel: job.parallel,
                chunks: self.cursors.is_empty().then_some(counters.chunks),
                invocations: counters.invocations,
                throttled: counters.invocations_throttled,
            }),
        };
        measurements.diagnosis()
    }
}

/// `of` divided by `to`, with three decimals. 0 if `to` is 0.
fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 {
        (of / to * 1000.0).round() / 1000.0
    } else {
        0.0
    }
}

/// `job.json`, as one invocation writes it. Clones write one after the other.
///
/// Each write has a condition. A write may arrive late, when its sender has died or given it up. Without a condition, it
/// would replace the report of a job that has ended.
#[derive(Clone, Debug, Default)]
pub struct ReportFile(Arc<Mutex<Option<ETag>>>);

impl ReportFile {
    /// Writes a report, unless the file has a later one. An error is only logged, because the next checkpoint writes the
    /// file again or, when the job has ended, the next `status`.
    pub async fn update(&self, s3: &Client, report: &Report) {
        let mut last = self.0.lock().await;
        match replace(s3, report, last.take()).await {
            Ok(etag) => *last = etag,
            Err(error) => warn!(%error, "job.json was not updated"),
        }
        if report.state != State::Running
            && let Err(error) = write_page(s3, report).await
        {
            warn!(%error, "report.html was not written");
        }
    }
}

/// Replaces `job.json`, which had the `ETag` `last` if this invocation has written it. Returns the new `ETag`. `None`: it
/// has a later report.
async fn replace(s3: &Client, report: &Report, mut last: Option<ETag>) -> Result<Option<ETag>, s3::Error> {
    let file = output(report).job(&report.job_id);
    let body = to_json(report);
    loop {
        let condition = last.as_ref().map_or(Condition::Absent, Condition::Matches);
        let written = s3::put_object_if(s3, &file, s3::JSON, body.clone(), condition).await?;
        if let ConditionalWrite::Written(etag) = written {
            return Ok(Some(etag));
        }
        // Written by an earlier invocation, or by this one and the response was lost, or by a later one.
        match s3::get_latest(s3, &file).await {
            Ok((found, body)) => {
                let is_later = serde_json::from_slice(&body).is_ok_and(|found| is_later(&found, report));
                if is_later || found.etag.is_none() {
                    return Ok(None);
                }
                last = found.etag;
            }
            Err(error) if error.kind == ErrorKind::NotFound => last = None,
            Err(error) => return Err(error),
        }
    }
}

/// Whether `found` is later than a report that is about to be written.
fn is_later(found: &Report, report: &Report) -> bool {
    let has_ended = |report: &Report| report.state != State::Running;
    found.generation > report.generation || (has_ended(found) && !has_ended(report))
}

/// Returns the report of a job that has ended. Writes `job.json` and `report.html` again, because they are out of date if
/// fanout was killed right after the last checkpoint.
pub async fn rewrite(s3: &Client, checkpoint: &Checkpoint) -> Result<Report, Error> {
    let report = checkpoint.report();
    write(s3, &report).await?;
    Ok(report)
}

async fn write(s3: &Client, report: &Report) -> Result<(), s3::Error> {
    let file = output(report).job(&report.job_id);
    s3::put_object(s3, &file, s3::JSON, to_json(report)).await?;
    write_page(s3, report).await
}

/// Writes `report.html`. A job that has ended does not change, so whoever writes it writes the same.
async fn write_page(s3: &Client, report: &Report) -> Result<(), s3::Error> {
    let file = output(report).page(&report.job_id);
    s3::put_object(s3, &file, s3::HTML, page(report).into()).await
}

/// Where the job writes.
fn output(report: &Report) -> Destination {
    Destination::new(report.destination.clone(), report.records_destination.clone())
}

fn to_json(report: &Report) -> Bytes {
    serde_json::to_vec_pretty(report)
        .expect("a report is valid JSON")
        .into()
}

/// Logs the summary of a job that has ended.
pub fn log_end(report: &Report) {
    if report.state == State::Running {
        return;
    }
    let is = |wanted| u64::from(wanted);
    Summary::new("job ended")
        .metric("JobsCompleted", Unit::Count, is(report.state == State::Completed))
        .metric("JobsAborted", Unit::Count, is(report.state == State::Aborted))
        .metric("JobsWithFailures", Unit::Count, is(report.failed > 0))
        .metric("KeysFailed", Unit::Count, report.failed)
        .property("reason", report.reason.as_deref())
        .property("generation", report.generation)
        .property("listed", report.listed)
        .property("ok", report.ok)
        .property("pending", report.pending)
        .property("invocations", report.invocations)
        .property("elapsed_ms", report.elapsed_ms)
        .log();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
mod tests {
    use super::*;
    use crate::request::Request;

    #[test]
    fn the_report_of_an_ended_job_and_of_a_later_generation_stay() {
        let request = Request {
            source: Some("s3://photos/".parse().unwrap()),
            destination: Some("s3://photos-out/".parse().unwrap()),
            ..Request::default()
        };
        let job = Job::from_request(&request, "job").unwrap();
        let report = |generation, state| Report {
            generation,
            state,
            ..Checkpoint::new(&job, request.clone(), Vec::new()).report()
        };
        let running = report(2, State::Running);
        for later in [
            report(2, State::Completed),
            report(2, State::Aborted),
            report(3, State::Running),
        ] {
            assert!(is_later(&later, &running), "{later:?}");
            assert!(!is_later(&running, &later), "{later:?}");
        }
        assert!(
            !is_later(&running, &running),
            "the next report of the same invocation replaces it"
        );
    }
}
