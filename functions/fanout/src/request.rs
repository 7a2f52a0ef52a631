//! What a user asks for.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::destination::{Destination, EVENTS};
use shared::filter::{self, Filter, Names};
use shared::modes::{Images, Records};
use shared::uri::S3Uri;

use crate::error::Error;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Starts a job, or goes on with one whose invocation was killed.
    #[default]
    Run,
    /// Lists, and tells what a job would take.
    Plan,
    Status,
    /// Ends a job early, with what is in flight.
    Stop,
    /// A new job, of the failed and the unprocessed keys of another.
    Redrive,
}

/// A request as it comes. Every field may be left out; the environment then fills it, and what that
/// leaves open has a default of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    pub action: Option<Action>,
    pub source: Option<S3Uri>,
    pub manifest: Option<S3Uri>,
    pub parent: Option<String>,
    pub destination: Option<S3Uri>,
    pub include: Option<Vec<String>>,
    pub exclude: Option<Vec<String>>,
    pub modified_after: Option<String>,
    pub min_bytes: Option<u64>,
    pub max_bytes: Option<u64>,
    pub images: Option<Images>,
    pub records: Option<Records>,
    pub skip_current: Option<bool>,
    pub chunk_keys: Option<usize>,
    pub chunk_bytes: Option<u64>,
    pub parallel: Option<usize>,
    pub concurrency: Option<usize>,
    pub max_requests_per_second: Option<f64>,
    pub max_failed_percent: Option<f64>,
    pub job_id: Option<String>,
}

/// The most keys in flight: each attempt is written down with its keys before it is sent.
const MAX_KEYS_IN_FLIGHT: usize = 250_000;

/// A request with nothing left open, every value within its range.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub source: S3Uri,
    pub destination: Destination,
    pub manifest: Option<S3Uri>,
    pub filter: Filter,
    /// Leave out images whose output is newer than they are.
    pub skip_current: bool,
    pub images: Images,
    pub records: Records,
    pub chunk_keys: usize,
    pub chunk_bytes: u64,
    /// Processor invocations in flight. Each holds a connection, of 1,024 file descriptors in all.
    pub parallel: usize,
    /// Images in flight in each invocation.
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
    pub max_failed_percent: f64,
}

impl Request {
    /// Reads a request; an error names the field.
    pub fn parse(request: Value) -> Result<Self, Error> {
        if !request.is_object() {
            return Err(Error::bad(
                "request",
                "it must be a JSON object, as in {\"source\": \"s3://bucket/prefix/\"}",
            ));
        }
        serde_path_to_error::deserialize(request).map_err(|error| {
            let field = error.path().to_string();
            let field = if field == "." { "request" } else { &field };
            Error::bad(field, error.inner())
        })
    }

    /// Fills what is left open.
    #[must_use]
    pub fn or(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            action: self.action.or(defaults.action),
            source: self.source.or(defaults.source),
            manifest: self.manifest.or(defaults.manifest),
            parent: self.parent.or(defaults.parent),
            destination: self.destination.or(defaults.destination),
            include: self.include.or(defaults.include),
            exclude: self.exclude.or(defaults.exclude),
            modified_after: self.modified_after.or(defaults.modified_after),
            min_bytes: self.min_bytes.or(defaults.min_bytes),
            max_bytes: self.max_bytes.or(defaults.max_bytes),
            images: self.images.or(defaults.images),
            records: self.records.or(defaults.records),
            skip_current: self.skip_current.or(defaults.skip_current),
            chunk_keys: self.chunk_keys.or(defaults.chunk_keys),
            chunk_bytes: self.chunk_bytes.or(defaults.chunk_bytes),
            parallel: self.parallel.or(defaults.parallel),
            concurrency: self.concurrency.or(defaults.concurrency),
            max_requests_per_second: self.max_requests_per_second.or(defaults.max_requests_per_second),
            max_failed_percent: self.max_failed_percent.or(defaults.max_failed_percent),
            job_id: self.job_id.or(defaults.job_id),
        }
    }

    pub fn destination(&self) -> Result<Destination, Error> {
        uri("destination", self.destination.as_ref()).map(Into::into)
    }

    /// The id of a job that must have been started.
    pub fn named_job(&self, field: &str) -> Result<String, Error> {
        let id = if field == "parent" { &self.parent } else { &self.job_id };
        let id = id
            .clone()
            .ok_or_else(|| Error::bad(field, "it is missing: give the job_id of the job that is meant"))?;
        job_id(field, id)
    }

    /// A request to run or to plan, which finds its keys by itself.
    pub fn validate_listing(&self, request_id: &str) -> Result<Job, Error> {
        if self.parent.is_some() {
            return Err(Error::bad("parent", "only action redrive takes it"));
        }
        self.validate(request_id)
    }

    /// A request with a job to be done. Its job is called `request_id` unless it has a name.
    pub fn validate(&self, request_id: &str) -> Result<Job, Error> {
        let source = uri("source", self.source.as_ref())?;
        let destination = self.destination()?;
        destination
            .check_apart_from(&source)
            .map_err(|error| Error::bad("destination", error))?;

        let min_bytes = self.min_bytes.unwrap_or(1);
        let max_bytes = self.max_bytes.unwrap_or(filter::MAX_BYTES);
        if min_bytes > max_bytes {
            let problem = format!("{min_bytes} is more than max_bytes, {max_bytes}");
            return Err(Error::bad("min_bytes", problem));
        }
        let include = self.include.as_deref();
        let exclude = self.exclude.as_deref().unwrap_or_default();
        if include.is_some_and(<[String]>::is_empty) {
            let problem = "it is empty, so nothing would be processed; leave it out for all images";
            return Err(Error::bad("include", problem));
        }
        Names::new(include, &[]).map_err(|error| Error::bad("include", error))?;
        let names = Names::new(include, exclude).map_err(|error| Error::bad("exclude", error))?;
        let modified_after = self.modified_after.as_deref().map(date_time).transpose()?;

        let job = Job {
            id: job_id("job_id", self.job_id.clone().unwrap_or_else(|| request_id.to_owned()))?,
            source,
            destination,
            manifest: self.manifest.clone(),
            filter: Filter {
                names,
                min_bytes,
                max_bytes,
                modified_after,
            },
            skip_current: self.skip_current.unwrap_or_default(),
            images: self.images.unwrap_or_default(),
            records: self.records.unwrap_or_default(),
            chunk_keys: within("chunk_keys", self.chunk_keys, 500, 1, 10_000)?,
            chunk_bytes: within("chunk_bytes", self.chunk_bytes, 256 * 1024 * 1024, 1, u64::MAX)?,
            parallel: within("parallel", self.parallel, 32, 1, 900)?,
            concurrency: within("concurrency", self.concurrency, 64, 1, 900)?,
            max_requests_per_second: self
                .max_requests_per_second
                .map(|rate| within("max_requests_per_second", Some(rate), rate, 1.0, 1e6))
                .transpose()?,
            max_failed_percent: within("max_failed_percent", self.max_failed_percent, 100.0, 0.0, 100.0)?,
        };
        job.check()?;
        Ok(job)
    }
}

impl Job {
    /// What fields demand of each other.
    fn check(&self) -> Result<(), Error> {
        if self.skip_current && self.images == Images::None {
            return Err(Error::bad(
                "skip_current",
                "with images none there is no output of each image to compare it with; set images to copy or upload",
            ));
        }
        if self.skip_current && self.manifest.is_some() {
            return Err(Error::bad(
                "skip_current",
                "it compares two listings in key order, and a manifest has none; leave one of the two out",
            ));
        }
        if self.parallel * self.chunk_keys > MAX_KEYS_IN_FLIGHT {
            return Err(Error::bad(
                "chunk_keys",
                format!(
                    "{} keys in each of {} invocations (parallel) are more than {MAX_KEYS_IN_FLIGHT}, the most keys \
                     in flight; make one of the two smaller",
                    self.chunk_keys, self.parallel
                ),
            ));
        }
        Ok(())
    }
}

fn uri(field: &str, value: Option<&S3Uri>) -> Result<S3Uri, Error> {
    value.cloned().ok_or_else(|| {
        let variable = field.to_uppercase();
        Error::bad(
            field,
            format!("it is missing: give s3://bucket/prefix/, here or as {variable}"),
        )
    })
}

fn within<T: PartialOrd + ToString>(field: &str, value: Option<T>, default: T, least: T, most: T) -> Result<T, Error> {
    let value = value.unwrap_or(default);
    if value >= least && value <= most {
        return Ok(value);
    }
    let [value, least, most] = [value, least, most].map(|number| number.to_string());
    Err(Error::bad(field, format!("{value} is not within {least} to {most}")))
}

fn date_time(text: &str) -> Result<DateTime, Error> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).map_err(|error| {
        let problem = format!("{text:?} is no RFC 3339 time, as in 2026-01-01T00:00:00Z: {error}");
        Error::bad("modified_after", problem)
    })
}

/// A job's id is a part of keys, and of a hive-style folder name.
fn job_id(field: &str, id: String) -> Result<String, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let dots_only = id.bytes().all(|byte| byte == b'.');
    if (1..=128).contains(&id.len())
        && id.bytes().all(plain)
        && !dots_only
        && id != EVENTS
        && !id.starts_with("events-")
    {
        return Ok(id);
    }
    let problem = "1 to 128 letters, digits, hyphens, underscores and dots, not events and not starting with events-";
    Err(Error::bad(field, format!("{id:?} is no job id: {problem}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn validate(request: Value) -> Result<Job, String> {
        Request::parse(request)
            .and_then(|request| request.validate("request-1"))
            .map_err(|error| error.to_string())
    }

    fn with(field: &str, value: Value) -> Result<Job, String> {
        let mut request = json!({"source": "s3://photos/2024/", "destination": "s3://photos-out/"});
        request[field] = value;
        validate(request)
    }

    #[test]
    fn what_is_left_open_has_a_default() {
        let job = with("exclude", json!([])).unwrap();
        assert_eq!(job.id, "request-1");
        assert_eq!(
            (job.chunk_keys, job.chunk_bytes, job.parallel, job.concurrency),
            (500, 268_435_456, 32, 64)
        );
        assert_eq!((job.images, job.records), (Images::Copy, Records::Ndjson));
        assert_eq!((job.filter.min_bytes, job.filter.max_bytes), (1, 5_368_709_120));
    }

    #[test]
    fn every_error_names_its_field() {
        for (field, value, part) in [
            ("sauce", json!("s3://photos/"), "unknown field `sauce`"),
            ("source", json!("photos"), "source: \"photos\" is no S3 URI"),
            ("source", json!("s3://Photos/"), "source: \"Photos\" is no bucket name"),
            (
                "source",
                json!("s3://photos--usw2-az1--x-s3/"),
                "source: \"photos--usw2-az1--x-s3\" is a directory",
            ),
            ("source", json!(7), "source: invalid type: integer `7`"),
            (
                "source",
                json!("s3://photos-out/images/"),
                "destination: destination s3://photos-out/ lies inside",
            ),
            ("action", json!("start"), "action: unknown variant `start`"),
            ("images", json!("move"), "images: unknown variant `move`"),
            ("records", json!("csv"), "records: unknown variant `csv`"),
            ("include", json!(["[a"]), "include: \"[a\" is no glob"),
            ("exclude", json!(["[a"]), "exclude: \"[a\" is no glob"),
            ("include", json!("*.jpg"), "include: invalid type: string"),
            (
                "modified_after",
                json!("yesterday"),
                "modified_after: \"yesterday\" is no RFC 3339 time",
            ),
            ("max_bytes", json!(0), "min_bytes: 1 is more than max_bytes, 0"),
            (
                "min_bytes",
                json!(6_000_000_000_u64),
                "min_bytes: 6000000000 is more than max_bytes, 5368709120",
            ),
            ("include", json!([]), "include: it is empty"),
            ("min_bytes", json!(-1), "min_bytes: invalid value: integer `-1`"),
            ("skip_current", json!(1), "skip_current: invalid type: integer `1`"),
            ("manifest", json!("list.csv"), "manifest: \"list.csv\" is no S3 URI"),
            ("chunk_keys", json!(0), "chunk_keys: 0 is not within 1 to 10000"),
            (
                "chunk_keys",
                json!(10_000),
                "chunk_keys: 10000 keys in each of 32 invocations",
            ),
            ("chunk_bytes", json!(0), "chunk_bytes: 0 is not within"),
            ("parallel", json!(901), "parallel: 901 is not within 1 to 900"),
            ("concurrency", json!(901), "concurrency: 901 is not within 1 to 900"),
            (
                "max_requests_per_second",
                json!(0),
                "max_requests_per_second: 0 is not within 1 to",
            ),
            (
                "max_failed_percent",
                json!(101),
                "max_failed_percent: 101 is not within 0 to 100",
            ),
            ("job_id", json!("a/b"), "job_id: \"a/b\" is no job id"),
            ("job_id", json!("events-2024"), "job_id: \"events-2024\" is no job id"),
        ] {
            let error = with(field, value.clone()).unwrap_err();
            assert!(error.contains(part), "{field} = {value}: {error}");
        }
        assert!(validate(json!([])).unwrap_err().contains("must be a JSON object"));
        assert!(validate(json!({})).unwrap_err().contains("source: it is missing"));
    }

    #[test]
    fn fields_that_contradict_each_other_are_refused() {
        for (request, part) in [
            (
                json!({"source": "s3://photos/", "destination": "s3://out/", "skip_current": true, "images": "none"}),
                "skip_current: with images none",
            ),
            (
                json!({"source": "s3://photos/", "destination": "s3://out/", "skip_current": true,
                       "manifest": "s3://lists/a.csv"}),
                "skip_current: it compares two listings",
            ),
        ] {
            let error = validate(request).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_environment_fills_what_the_request_leaves_open() {
        let config = Config::load(&|name| match name {
            "DESTINATION" => Some("s3://photos-out".to_owned()),
            "CHUNK_KEYS" => Some("7".to_owned()),
            "PARALLEL" => Some("3".to_owned()),
            _ => None,
        })
        .unwrap();
        let request = Request::parse(json!({"source": "s3://photos/", "parallel": 5})).unwrap();
        let job = request.or(&config.defaults).validate("id").unwrap();
        assert_eq!((job.chunk_keys, job.parallel), (7, 5));
        assert_eq!(job.destination.job("id"), "jobs/id/job.json");
    }

    #[test]
    fn times_may_carry_an_offset() {
        let job = with("modified_after", json!("2026-01-01T02:00:00+02:00")).unwrap();
        assert_eq!(job.filter.modified_after.unwrap().secs(), 1_767_225_600);
    }
}
