//! Estimates the time and cost of a job from what a listing found.
//!
//! | module | what it does |
//! |---|---|
//! | [`found`] | what a listing found |
//! | [`limits`] | images per second that each limit allows |
//! | [`cost`] | the requests of a job, and the cost |

mod cost;
mod found;
mod limits;

use std::collections::BTreeMap;

use serde::Serialize;
use shared::object::S3Uri;
use shared::prices::{PRICES, Prices};
use shared::protocol::usage::Requests;

use crate::config::Config;
use crate::job::Job;
pub use cost::Cost;
pub use found::Found;

#[derive(Debug, Serialize)]
pub struct Estimate {
    pub source: S3Uri,
    pub destination: S3Uri,
    /// Whether the listing finished. It ends early if the time of the function is up; all numbers are then about the
    /// part that was listed.
    pub listing_finished: bool,
    pub listed: u64,
    pub ignored: u64,
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
    pub prices: Prices,
}

pub fn estimate(job: &Job, config: &Config, found: &Found) -> Estimate {
    let limits = limits::limits(job, config, found);
    let (&bottleneck, &rate) = limits
        .iter()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .expect("there are always limits");
    let seconds = found.images as f64 / rate;
    let requests = cost::requests(job, found, seconds);
    Estimate {
        source: job.source.clone(),
        destination: job.destination.uri(),
        listing_finished: found.is_complete,
        listed: found.counts.listed,
        ignored: found.counts.ignored,
        skipped: found.counts.skipped,
        images: found.images,
        bytes_listed: found.counts.bytes,
        bytes_to_read: found.bytes_to_read,
        chunks: found.chunks,
        invocations: requests.invoke,
        requests,
        seconds: rounded(seconds, 1),
        images_per_second: rounded(rate, 1),
        bottleneck,
        limits: limits
            .into_iter()
            .map(|(name, rate)| (name, rounded(rate, 1)))
            .collect(),
        cost_usd: cost::cost(job, config, found, &requests, seconds),
        prices: PRICES,
    }
}

fn rounded(number: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        estimate(&Job::from_request(&request, "id").unwrap(), &config, &found)
    }

    fn about(number: f64) -> u64 {
        Duration::from_secs_f64(number + 0.5).as_secs()
    }

    /// The expected numbers were calculated by hand.
    #[test]
    fn a_million_photos_of_3_mb() {
        let copy = estimate_for("copy", "");
        assert_eq!((copy.bottleneck, about(copy.images_per_second)), ("s3 writes", 3500));
        assert_eq!(about(copy.seconds), 286);
        assert_eq!(
            (copy.requests.get, copy.requests.copy, copy.requests.invoke),
            (1_000_000, 1_000_000, 2_000)
        );
        // 1,000,000 COPY, 2,000 record files, 2,000 + 572 writes by fanout, 1,000 LIST; and 1,000,000 GET.
        assert_eq!(about(copy.cost_usd.s3 * 1000.0), 5428);
        // 285.7 s of 32 processors with 1,769 MB and one fanout with 512 MB.
        assert!((copy.cost_usd.lambda - 0.2129).abs() < 0.001, "{:?}", copy.cost_usd);

        let upload = estimate_for("upload", "");
        // 32 processors with 78 MB/s each. Each image is read and sent.
        assert_eq!((upload.bottleneck, about(upload.images_per_second)), ("network", 417));
        assert_eq!(
            estimate_for("none", r#", "parallel": 1, "concurrency": 8"#).bottleneck,
            "lambda concurrency"
        );
        assert_eq!(
            estimate_for("none", r#", "parallel": 1, "concurrency": 900"#).bottleneck,
            "network"
        );
        let slow = estimate_for("copy", r#", "max_requests_per_second": 1000"#);
        assert_eq!(
            (slow.bottleneck, about(slow.images_per_second)),
            ("max_requests_per_second", 500)
        );
    }
}
