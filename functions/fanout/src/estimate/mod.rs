//! Estimates the time and cost of a job from what a listing found.
//!
//! | module | what it does |
//! |---|---|
//! | [`found`] | what a listing found |
//! | [`work`] | the work of the processors, as assumed or as measured for a sample |
//! | [`basis`] | what an estimate is made from |
//! | [`chunk_time`] | how long a processor takes for a chunk |
//! | [`limits`] | images per second that each limit allows |
//! | [`time`] | how long the job takes |
//! | [`cost`] | the requests of the job, and the cost |

mod basis;
mod chunk_time;
mod cost;
mod found;
mod limits;
mod time;
mod work;

use std::collections::BTreeMap;

use serde::Serialize;
use shared::object::S3Uri;
use shared::prices::{Cost, PRICES, Prices};
use shared::protocol::examples::Examples;
use shared::protocol::ignored::IgnoreReason;
use shared::protocol::sample::SampleResponse;
use shared::protocol::usage::Requests;

use crate::assumptions::{Assumptions, Milliseconds};
use crate::config::Config;
use crate::job::Job;
use basis::Basis;
pub use found::Found;
use time::JobTime;
use work::{Measured, Work};

#[derive(Debug, Serialize)]
pub struct Estimate {
    pub source: S3Uri,
    pub destination: S3Uri,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_destination: Option<S3Uri>,
    /// Whether the listing finished. It ends early if the time of the function is up; all numbers are then about the
    /// part that was listed.
    pub listing_finished: bool,
    pub listed: u64,
    pub ignored: u64,
    pub ignored_by: BTreeMap<IgnoreReason, u64>,
    pub examples: Examples,
    pub skipped: u64,
    /// Images that the job would process.
    pub images: u64,
    pub bytes_listed: u64,
    pub bytes_to_read: u64,
    pub chunks: u64,
    pub invocations: u64,
    pub requests: Requests,
    pub seconds: f64,
    pub images_per_second: f64,
    /// The name of the lowest limit. To make the job faster, change this one.
    pub bottleneck: &'static str,
    /// Images per second that each limit allows.
    pub limits: BTreeMap<&'static str, f64>,
    pub cost_usd: Cost,
    /// The time of a request to S3, in milliseconds, that all of this assumes.
    pub request_ms: f64,
    /// The CPU time of an image on a whole vCPU, in milliseconds, that all of this assumes.
    pub cpu_ms_per_image: f64,
    pub prices: Prices,
    /// What a sample of the images has shown. Only for `transform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Measured>,
    /// Why there is no sample, although the mode needs one, and what is assumed instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// "Applications can achieve consistent small object latencies of roughly 100 to 200 milliseconds" (Amazon S3 User Guide,
/// "Best practices design patterns").
const REQUEST_SECONDS: f64 = 0.1;

/// `sample` is what a sample of the images took, or why nothing could be measured. `None` if the mode needs no sample.
pub fn estimate(
    job: &Job,
    config: &Config,
    found: &Found,
    assume: Assumptions,
    sample: Option<&Result<SampleResponse, String>>,
) -> Estimate {
    let (mut work, measured, note) = match sample {
        Some(Ok(sample)) => (Work::measured(found, sample), Some(sample.into()), None),
        Some(Err(why)) => (Work::assumed(job, found), None, Some(note(job, why))),
        None => (Work::assumed(job, found), None, None),
    };
    if let Some(cpu) = assume.cpu_ms_per_image {
        work.cpu_seconds_per_image = cpu.as_seconds();
    }
    let basis = Basis {
        job,
        config,
        found,
        work,
        request_seconds: assume.request_ms.map_or(REQUEST_SECONDS, Milliseconds::as_seconds),
    };
    let limits = limits::limits(&basis);
    let lowest = limits.iter().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let time = JobTime::of(&basis, &limits);
    let requests = cost::requests(&basis, time);
    Estimate {
        source: job.source.clone(),
        destination: job.destination.uri(),
        records_destination: job.destination.separate_records_uri(),
        listing_finished: found.is_complete,
        listed: found.counts.listed,
        ignored: found.ignored_by.values().sum(),
        ignored_by: found.ignored_by.clone(),
        examples: found.examples.clone(),
        skipped: found.counts.skipped,
        images: found.images,
        bytes_listed: found.counts.bytes,
        bytes_to_read: work.bytes_to_read,
        chunks: requests.invoke,
        invocations: requests.invoke,
        requests,
        seconds: rounded(time.whole, 1),
        images_per_second: rounded(found.images as f64 / time.whole, 1),
        bottleneck: lowest.expect("there are always limits").0,
        cost_usd: cost::cost(&basis, &requests, time),
        limits: limits
            .into_iter()
            .map(|(name, rate)| (name, rounded(rate, 1)))
            .collect(),
        request_ms: rounded(basis.request_seconds * 1e3, 3),
        cpu_ms_per_image: rounded(work.cpu_seconds_per_image * 1e3, 3),
        prices: PRICES,
        sample: measured,
        note,
    }
}

fn note(job: &Job, why: &str) -> String {
    let milliseconds = job.images.profile().cpu_seconds * 1e3;
    format!(
        "no sample of the images could be measured, so {milliseconds} ms of CPU time per image are assumed, and as many \
         bytes to write as to read: {why}"
    )
}

fn rounded(number: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use shared::protocol::failure::FailureClass;

    use super::*;
    use crate::request::Request;
    use crate::store::ListedCounts;

    fn estimate_for(images: &str, fields: &str) -> Estimate {
        let request = format!(
            r#"{{"source": "s3://photos/", "destination": "s3://photos-out/", "images": "{images}" {fields}}}"#
        );
        let request: Request = serde_json::from_str(&request).unwrap();
        let found = Found {
            is_complete: true,
            counts: ListedCounts {
                listed: 1_000_000,
                bytes: 3_000_000_000_000,
                ..ListedCounts::default()
            },
            images: 1_000_000,
            bytes_to_read: if images == "upload" {
                3_000_000_000_000
            } else {
                131_072_000_000
            },
            bytes_to_send: if images == "upload" { 3_000_000_000_000 } else { 0 },
            chunks: 2_000,
            lists: 1_000,
            ..Found::default()
        };
        let config = Config::load(&|_| None).unwrap();
        estimate(
            &Job::from_request(&request, "id").unwrap(),
            &config,
            &found,
            request.assume(),
            None,
        )
    }

    fn about(number: f64) -> u64 {
        Duration::from_secs_f64(number + 0.5).as_secs()
    }

    /// The expected numbers were calculated by hand.
    #[test]
    fn a_sample_gives_the_work_of_all_images() {
        let request = r#"{"source": "s3://photos/", "destination": "s3://photos-out/", "images": "transform", "transform":
            {"renditions": [{"name": "a", "max_edge": 9}, {"name": "b", "max_edge": 9}]}}"#;
        let request: Request = serde_json::from_str(request).unwrap();
        let job = Job::from_request(&request, "id").unwrap();
        // 900,000 photos of 3 MB, and 100,000 of unknown size.
        let found = Found {
            images: 1_000_000,
            known_bytes: 2_700_000_000_000,
            of_unknown_size: 100_000,
            bytes_to_read: 2_713_107_200_000,
            bytes_to_send: 2_713_107_200_000,
            chunks: 2_000,
            ..Found::default()
        };
        let config = Config::load(&|_| None).unwrap();
        // Four images of 3 MB took 60 ms each. Two of them failed.
        let sample = SampleResponse {
            images: 2,
            failed: [(FailureClass::Corrupt, 1), (FailureClass::Unsupported, 1)].into(),
            unprocessed: 0,
            pixels: 24_000_000,
            bytes_read: 12_000_000,
            bytes_written: 1_200_000,
            cpu_ms: 240,
        };
        let measured = estimate(&job, &config, &found, Assumptions::default(), Some(&Ok(sample)));
        assert_eq!((measured.note, measured.bytes_to_read), (None, 3_000_000_000_000));
        // 32 processors with one vCPU each.
        assert_eq!(about(measured.limits["cpu"] * 1000.0), 533_300);
        // 32 processors with 78.125 MB/s each. An image has 3 MB to read and 0.3 MB to write.
        assert_eq!(about(measured.limits["network"] * 10.0), 7576);
        // 62.5 chunks for each processor: 30 s of CPU time, and four requests that nothing goes on beside.
        assert_eq!(about(measured.seconds), 1900);
        let requests = measured.requests;
        // The last 16 chunks become 109. For each image, two renditions; a record file and a checkpoint for each chunk;
        // 1,900 reports, and 6 other writes.
        assert_eq!(
            (requests.get, requests.put),
            (1_100_000, 2_000_000 + 2 * 2_093 + 1_900 + 6)
        );
        // 1,900 s of 32 processors with 1,769 MB and one fanout with 512 MB.
        assert!(
            (measured.cost_usd.lambda - 1.4136).abs() < 0.001,
            "{:?}",
            measured.cost_usd
        );
        let sample = serde_json::to_value(measured.sample).unwrap();
        let expected = json!({
            "images": 2, "failed": {"corrupt": 1, "unsupported": 1}, "megapixels": 24.0,
            "cpu_ms_per_image": 120.0, "cpu_ms_per_megapixel": 10.0, "bytes_written_per_image": 600_000,
        });
        assert_eq!(sample, expected);

        let assumed = estimate(
            &job,
            &config,
            &found,
            Assumptions::default(),
            Some(&Err("it was late".to_owned())),
        );
        assert_eq!(about(assumed.limits["cpu"] * 10.0), 5333);
        assert_eq!(about(assumed.limits["network"] * 10.0), 4607);
        assert!(assumed.sample.is_none());
        let note = assumed.note.unwrap();
        assert!(
            note.contains("60 ms of CPU time") && note.ends_with(": it was late"),
            "{note}"
        );
    }

    /// The expected numbers were calculated by hand.
    #[test]
    fn a_million_photos_of_3_mb() {
        let copy = estimate_for("copy", "");
        assert_eq!((copy.bottleneck, about(copy.limits["s3 writes"])), ("s3 writes", 3500));
        // 1,000,000 / 3,500 s, and three requests.
        assert_eq!((about(copy.seconds), about(copy.images_per_second)), (286, 3496));
        assert_eq!(
            (copy.requests.get, copy.requests.copy, copy.requests.invoke),
            (1_000_000, 1_000_000, 2_093)
        );
        // 1,000,000 COPY, 2,093 record files, 1,000 LIST; the objects of 1,000 pages, 1,860 checkpoints, 286 reports and 6
        // other writes; and 1,000,000 GET.
        assert_eq!(about(copy.cost_usd.s3 * 1000.0), 5431);
        // 285.7 s of 32 processors with 1,769 MB and one fanout with 512 MB.
        assert!((copy.cost_usd.lambda - 0.2129).abs() < 0.001, "{:?}", copy.cost_usd);

        let upload = estimate_for("upload", "");
        // 32 processors with 78 MB/s each. Each image is read and sent.
        assert_eq!((upload.bottleneck, about(upload.limits["network"])), ("network", 417));
        assert_eq!(estimate_for("none", r#", "parallel": 1"#).bottleneck, "network");
        let slow = estimate_for("copy", r#", "max_requests_per_second": 1000"#);
        assert_eq!(
            (slow.bottleneck, about(slow.limits["max_requests_per_second"])),
            ("max_requests_per_second", 500)
        );
        // Each chunk of 500 keys takes 3.6 ms of fanout's 512 / 1,769 vCPUs.
        assert_eq!(about(copy.limits["fanout"]), 40_199);
    }

    /// The expected numbers were calculated by hand.
    #[test]
    fn a_plan_uses_what_is_known() {
        let slow = estimate_for("none", r#", "parallel": 1, "assume": {"request_ms": 500}"#);
        // A chunk of 500 images takes three requests: at most 450 images are read at the same time, and the record file.
        assert_eq!(
            (slow.bottleneck, about(slow.limits["lambda concurrency"])),
            ("lambda concurrency", 333)
        );
        let computing = estimate_for("none", r#", "assume": {"cpu_ms_per_image": 100.0}"#);
        assert_eq!((computing.bottleneck, about(computing.limits["cpu"])), ("cpu", 320));
        assert_eq!((computing.request_ms, computing.cpu_ms_per_image), (100.0, 100.0));
    }

    #[test]
    fn nothing_to_do_takes_the_time_of_the_listing() {
        let request = r#"{"source": "s3://photos/", "destination": "s3://photos-out/"}"#;
        let request: Request = serde_json::from_str(request).unwrap();
        let found = Found {
            lists: 9,
            seconds: 5.0,
            ..Found::default()
        };
        let (job, config) = (
            Job::from_request(&request, "id").unwrap(),
            Config::load(&|_| None).unwrap(),
        );
        let nothing = estimate(&job, &config, &found, Assumptions::default(), None);
        assert_eq!((about(nothing.seconds * 10.0), nothing.invocations), (53, 0));
        assert!(nothing.images_per_second == 0.0 && nothing.cost_usd.total > 0.0);
    }
}
