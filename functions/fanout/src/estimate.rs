//! What a job would take: a listing, and arithmetic.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shared::bound::{NETWORK_BYTES_PER_SECOND, vcpus};
use shared::exif::FRONT_BYTES;
use shared::modes::{Images, Records};
use shared::s3::{Meter, Requests};
use shared::uri::S3Uri;
use tokio::time::timeout_at;

use crate::App;
use crate::config::Config;
use crate::error::Error;
use crate::plan::Planner;
use crate::request::{Job, Request};
use crate::source::{Cursor, KeyRange, Source, manifest};
use crate::start::{Invocation, scope};
use shared::prices::{PRICES, Prices};

/// As many keys as all listers together bring.
const DEMAND: usize = 1_000_000;

/// A listing ends this long before the deadline, done or not.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// "Applications can achieve consistent small object latencies of roughly 100 to 200 milliseconds"
/// (Amazon S3 User Guide, "Best practices design patterns").
const REQUEST_SECONDS: f64 = 0.1;

/// Of one prefix, before S3 splits it (the same page).
const S3_READS_PER_SECOND: f64 = 5_500.0;
const S3_WRITES_PER_SECOND: f64 = 3_500.0;

/// CPU of one image on a whole vCPU. On a desktop, without TLS, it is between a quarter of this and all of
/// it (`cpu_ms_per_image` of a report): Lambda's cores are slower, and S3 is spoken to over TLS.
fn cpu_seconds(images: Images) -> f64 {
    match images {
        Images::None => 0.4e-3,
        Images::Copy => 0.6e-3,
        Images::Upload => 0.8e-3,
    }
}

#[derive(Debug, Serialize)]
pub struct Estimate {
    pub source: S3Uri,
    pub destination: S3Uri,
    /// Whether the numbers below are of all there is: listing, too, ends with the function's time.
    pub listing_finished: bool,
    pub listed: u64,
    pub ignored: u64,
    pub skipped: u64,
    /// What would be processed.
    pub images: u64,
    pub bytes_listed: u64,
    pub bytes_to_read: u64,
    pub chunks: u64,
    pub invocations: u64,
    pub requests: Requests,
    pub seconds: f64,
    pub images_per_second: f64,
    /// The lowest of the limits: what to change to be faster.
    pub bound: &'static str,
    /// Images a second that each limit allows.
    pub limits: BTreeMap<&'static str, f64>,
    pub cost_usd: Cost,
    pub prices: Prices,
}

#[derive(Debug, Serialize)]
pub struct Cost {
    pub lambda: f64,
    pub s3: f64,
    pub total: f64,
}

/// What a listing brought.
#[derive(Debug, Default)]
struct Found {
    finished: bool,
    listed: u64,
    ignored: u64,
    skipped: u64,
    images: u64,
    bytes_listed: u64,
    /// Of the images.
    bytes: u64,
    bytes_to_read: u64,
    of_unknown_size: u64,
    chunks: u64,
    lists: u64,
}

/// Lists the source and changes nothing.
pub async fn plan(app: &App, request: &Request, invocation: &Invocation) -> Result<Estimate, Error> {
    let job = request.validate_listing(&invocation.id)?;
    let meter = Meter::default();
    let s3 = meter.s3(&app.sdk);
    let cursors = match &job.manifest {
        None => vec![Cursor::Keys(KeyRange::default())],
        Some(uri) => manifest::open(&s3, uri, &job.source).await.map_err(Error::Manifest)?,
    };
    let mut source = Source::new(s3, scope(&job), cursors);
    let mut planner = Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes);
    let mut found = Found::default();
    while !source.is_exhausted() {
        let Ok(candidates) = timeout_at(invocation.deadline - LAST_WAIT, source.next(DEMAND)).await else {
            break;
        };
        let page = planner.plan(candidates.map_err(|failure| Error::listing(&job, failure))?);
        found.listed += page.listed;
        found.ignored += page.ignored;
        found.skipped += page.skipped;
        found.bytes_listed += page.bytes;
        for chunk in page.chunks {
            found.take(&job, &chunk);
        }
    }
    if let Some(chunk) = planner.rest() {
        found.take(&job, &chunk);
    }
    found.finished = source.is_exhausted();
    found.lists = meter.requests().list;
    Ok(estimate(&job, &app.config, &found))
}

impl Found {
    fn take(&mut self, job: &Job, chunk: &[shared::chunk::ObjectRef]) {
        self.chunks += 1;
        self.images += chunk.len() as u64;
        for object in chunk {
            let size = object.size.unwrap_or(FRONT_BYTES);
            self.of_unknown_size += u64::from(object.size.is_none());
            self.bytes += size;
            self.bytes_to_read += match job.images {
                Images::Upload => size,
                Images::None | Images::Copy => size.min(FRONT_BYTES),
            };
        }
    }
}

fn estimate(job: &Job, config: &Config, found: &Found) -> Estimate {
    let images = found.images as f64;
    let writes = f64::from(u8::from(job.images != Images::None) + u8::from(job.records == Records::Sidecar));
    let requests_per_image = 1.0 + writes;
    let parallel = (job.parallel as u64).min(found.chunks).max(1) as f64;
    let in_flight = parallel
        * (job.concurrency as f64)
            .min(images / found.chunks.max(1) as f64)
            .max(1.0);
    let vcpus = parallel * vcpus(config.processor_memory_mb, 1);
    let network_bytes = match job.images {
        Images::Upload => found.bytes_to_read as f64 * 2.0,
        Images::None | Images::Copy => found.bytes_to_read as f64,
    };
    let mut limits = BTreeMap::from([
        ("lambda concurrency", in_flight / (requests_per_image * REQUEST_SECONDS)),
        ("cpu", vcpus / cpu_seconds(job.images)),
        ("s3 reads", S3_READS_PER_SECOND),
    ]);
    if network_bytes > 0.0 {
        limits.insert("network", parallel * NETWORK_BYTES_PER_SECOND * images / network_bytes);
    }
    if writes > 0.0 {
        limits.insert("s3 writes", S3_WRITES_PER_SECOND / writes);
    }
    if let Some(rate) = job.max_requests_per_second {
        limits.insert("max_requests_per_second", rate / requests_per_image);
    }
    let (&bound, &rate) = limits
        .iter()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .expect("there are always limits");
    let seconds = images / rate;

    let records = match job.records {
        Records::None => 0,
        Records::Ndjson => found.chunks,
        Records::Sidecar => found.images,
    };
    let of_each_image = |in_mode: bool| if in_mode { found.images } else { 0 };
    let whole_seconds = Duration::from_secs_f64(seconds).as_secs() + 1;
    let generations = whole_seconds.div_ceil(config.timeout.as_secs().max(1));
    // fanout writes its checkpoint before it sends chunks, and with its report once a second.
    let reports = found.chunks + 2 * whole_seconds;
    let requests = Requests {
        list: found.lists,
        // One of unknown size may turn out to be more than its front.
        get: found.images
            + if job.images == Images::Upload {
                found.of_unknown_size
            } else {
                0
            },
        head: 0,
        put: records + reports + of_each_image(job.images == Images::Upload),
        copy: of_each_image(job.images == Images::Copy),
        invoke: found.chunks,
    };
    let gb_seconds =
        seconds * (parallel * f64::from(config.processor_memory_mb) + f64::from(config.memory_mb)) / 1024.0;
    let lambda = gb_seconds * PRICES.gb_second(config.processor_architecture)
        + (requests.invoke + generations) as f64 * PRICES.lambda_invocation;
    let s3 = (requests.list + requests.put + requests.copy) as f64 * PRICES.s3_put_copy_list
        + (requests.get + requests.head) as f64 * PRICES.s3_get_head;
    Estimate {
        source: job.source.clone(),
        destination: job.destination.uri(),
        listing_finished: found.finished,
        listed: found.listed,
        ignored: found.ignored,
        skipped: found.skipped,
        images: found.images,
        bytes_listed: found.bytes_listed,
        bytes_to_read: found.bytes_to_read,
        chunks: found.chunks,
        invocations: requests.invoke,
        requests,
        seconds: rounded(seconds, 1),
        images_per_second: rounded(rate, 1),
        bound,
        limits: limits
            .into_iter()
            .map(|(name, rate)| (name, rounded(rate, 1)))
            .collect(),
        cost_usd: Cost {
            lambda: rounded(lambda, 4),
            s3: rounded(s3, 4),
            total: rounded(lambda + s3, 4),
        },
        prices: PRICES,
    }
}

fn rounded(number: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(images: &str, fields: &str) -> Estimate {
        let request = format!(
            r#"{{"source": "s3://photos/", "destination": "s3://photos-out/", "images": "{images}" {fields}}}"#
        );
        let request: Request = serde_json::from_str(&request).unwrap();
        let found = Found {
            finished: true,
            listed: 1_000_000,
            images: 1_000_000,
            bytes: 3_000_000_000_000,
            bytes_listed: 3_000_000_000_000,
            bytes_to_read: if images == "upload" {
                3_000_000_000_000
            } else {
                131_072_000_000
            },
            chunks: 2_000,
            lists: 1_000,
            ..Found::default()
        };
        let config = Config::load(&|_| None).unwrap();
        estimate(&request.validate("id").unwrap(), &config, &found)
    }

    fn about(number: f64) -> u64 {
        Duration::from_secs_f64(number + 0.5).as_secs()
    }

    /// Reckoned by hand.
    #[test]
    fn a_million_photos_of_3_mb() {
        let copy = of("copy", "");
        assert_eq!((copy.bound, about(copy.images_per_second)), ("s3 writes", 3500));
        assert_eq!(about(copy.seconds), 286);
        assert_eq!(
            (copy.requests.get, copy.requests.copy, copy.requests.invoke),
            (1_000_000, 1_000_000, 2_000)
        );
        // 1,000,000 COPY, 2,000 records, 2,000 + 572 writes of fanout and 1,000 LIST; 1,000,000 GET.
        assert_eq!(about(copy.cost_usd.s3 * 1000.0), 5428);
        // 285.7 s of 32 times 1,769 MB and once 512 MB.
        assert!((copy.cost_usd.lambda - 0.2129).abs() < 0.001, "{:?}", copy.cost_usd);

        let upload = of("upload", "");
        // 32 times 78 MB/s, each image twice.
        assert_eq!((upload.bound, about(upload.images_per_second)), ("network", 417));
        assert_eq!(
            of("none", r#", "parallel": 1, "concurrency": 8"#).bound,
            "lambda concurrency"
        );
        assert_eq!(of("none", r#", "parallel": 1, "concurrency": 900"#).bound, "network");
        let slow = of("copy", r#", "max_requests_per_second": 1000"#);
        assert_eq!(
            (slow.bound, about(slow.images_per_second)),
            ("max_requests_per_second", 500)
        );
    }
}
