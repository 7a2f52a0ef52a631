//! A job: a checked request with all defaults filled in.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use shared::destination::{Destination, OutputFolder, check_job_id};
use shared::filter::{Filter, Names};
use shared::modes::{Images, Records};
use shared::object::{ObjectUri, S3Uri};
use shared::strip;
use shared::transform::Transform;

use crate::request::{BadRequest, Request};
use crate::source::{self, Scope};

/// The most connections to processors and for the listing. Lambda allows 1,024 open files; the others are for the job's
/// own files, its schedule, the logs and the Runtime API.
const MAX_CONNECTIONS: usize = 1_008;

/// The most keys that S3 returns in one page.
const MAX_PAGE_KEYS: u16 = 1000;

/// A checked request. Every value is within its range.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub source: S3Uri,
    pub destination: Destination,
    pub manifest: Option<ObjectUri>,
    pub filter: Filter,
    pub list_ignored: bool,
    pub skip_current: bool,
    pub request_payer: bool,
    pub images: Images,
    /// Present if `images` is `transform`.
    pub transform: Option<Transform>,
    /// Present if `images` is `strip`.
    pub strip: Option<strip::Settings>,
    pub max_pixels: u64,
    pub records: Records,
    pub chunk_keys: usize,
    pub chunk_bytes: u64,
    pub parallel: usize,
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
    pub max_failed_percent: f64,
}

impl Job {
    /// Checks a request with the action `run` or `plan`, which must not name a parent.
    pub fn listing(request: &Request, request_id: &str) -> Result<Self, BadRequest> {
        if request.parent.is_some() {
            return Err(BadRequest::new(
                "parent",
                "only a redrive takes it; set action to redrive, or leave it out",
            ));
        }
        Self::from_request(request, request_id)
    }

    /// Checks a request. Without a `job_id`, the id of the job is `request_id`.
    pub fn from_request(request: &Request, request_id: &str) -> Result<Self, BadRequest> {
        let source = uri("source", request.source.as_ref())?;
        let destination = destination(request)?;
        destination
            .check_apart_from(&source)
            .map_err(|error| BadRequest::new(error.setting, error))?;
        let id = request.job_id.clone().unwrap_or_else(|| request_id.to_owned());
        let job = Self {
            id: job_id("job_id", id)?,
            source,
            destination,
            manifest: request.manifest.clone(),
            filter: filter(request, request.images())?,
            list_ignored: request.list_ignored(),
            skip_current: request.skip_current(),
            request_payer: request.request_payer(),
            images: request.images(),
            transform: transform(request)?,
            strip: strip(request),
            max_pixels: request.max_pixels()?,
            records: request.records(),
            chunk_keys: request.chunk_keys()?,
            chunk_bytes: request.chunk_bytes()?,
            parallel: request.parallel()?,
            concurrency: request.concurrency()?,
            max_requests_per_second: request.max_requests_per_second()?,
            max_failed_percent: request.max_failed_percent()?,
        };
        job.check()?;
        Ok(job)
    }

    /// Checks fields against each other.
    fn check(&self) -> Result<(), BadRequest> {
        if self.skip_current && !self.images.profile().writes_image() {
            return Err(BadRequest::new(
                "skip_current",
                "it compares images with their outputs, and images is none; set images to copy, upload, strip or transform",
            ));
        }
        if self.skip_current && self.manifest.is_some() {
            return Err(BadRequest::new(
                "skip_current",
                "it compares listings, and a manifest is not a listing; leave out one of the two",
            ));
        }
        let is_beside_images = self.destination.separate_records_uri().is_none();
        if self.images == Images::Strip && self.records == Records::Sidecar && is_beside_images {
            return Err(BadRequest::new(
                "records",
                "it is sidecar, and images is strip: the sidecars would lie beside the stripped images, with all that was \
                 removed; give them another place with records_destination, or set records to ndjson, annotation or none",
            ));
        }
        Ok(())
    }

    /// What the job lists, and how.
    pub fn scope(&self) -> Scope {
        Scope {
            source: self.source.clone(),
            outputs: if self.skip_current { self.outputs() } else { Vec::new() },
            page_keys: MAX_PAGE_KEYS,
            listers: source::MAX_LISTERS.min(MAX_CONNECTIONS - self.parallel),
        }
    }

    /// Where the outputs of each image are written, if the mode writes images.
    pub fn outputs(&self) -> Vec<OutputFolder> {
        match &self.transform {
            Some(transform) => transform
                .renditions
                .iter()
                .map(|rendition| self.destination.renditions(rendition))
                .collect(),
            None => vec![self.destination.images()],
        }
    }
}

/// The destination of a request. Its part for records holds the checkpoint and the report of each job.
pub fn destination(request: &Request) -> Result<Destination, BadRequest> {
    let images = uri("destination", request.destination.as_ref())?;
    Ok(Destination::new(images, request.records_destination.clone()))
}

/// The id of an existing job. `field` is the field that names it.
pub fn named_job(field: &str, id: Option<&String>) -> Result<String, BadRequest> {
    let id = id.ok_or_else(|| BadRequest::new(field, "it is missing: give the job_id of an existing job"))?;
    job_id(field, id.clone())
}

fn transform(request: &Request) -> Result<Option<Transform>, BadRequest> {
    if request.images() != Images::Transform {
        return Ok(None);
    }
    let missing = r#"it is missing, and images is transform: give {"renditions": [{"max_edge": 2048}]}"#;
    let transform = request
        .transform
        .clone()
        .ok_or_else(|| BadRequest::new("transform", missing))?;
    transform
        .check()
        .map_err(|error| BadRequest::new(&error.field, error.problem))?;
    Ok(Some(transform))
}

fn strip(request: &Request) -> Option<strip::Settings> {
    (request.images() == Images::Strip).then(|| strip::Settings {
        options: strip::Options {
            scope: request.strip(),
            keep_copyright: request.keep_copyright(),
        },
        keep_user_metadata: request.keep_user_metadata(),
    })
}

fn filter(request: &Request, images: Images) -> Result<Filter, BadRequest> {
    let (min_bytes, max_bytes) = (request.min_bytes()?, request.max_bytes()?);
    if min_bytes > max_bytes {
        let problem = format!("{min_bytes} is more than max_bytes, which is {max_bytes}");
        return Err(BadRequest::new("min_bytes", problem));
    }
    let include = request.include.as_deref();
    if include.is_some_and(<[String]>::is_empty) {
        let problem = "it is empty, so nothing would be processed; leave it out for all images";
        return Err(BadRequest::new("include", problem));
    }
    Names::new(include, &[], images).map_err(|error| BadRequest::new("include", error))?;
    Ok(Filter {
        names: Names::new(include, &request.exclude(), images).map_err(|error| BadRequest::new("exclude", error))?,
        min_bytes,
        max_bytes,
        modified_after: request.modified_after.as_deref().map(date_time).transpose()?,
    })
}

fn uri(field: &str, value: Option<&S3Uri>) -> Result<S3Uri, BadRequest> {
    value.cloned().ok_or_else(|| {
        let variable = field.to_uppercase();
        BadRequest::new(
            field,
            format!("it is missing: give s3://bucket/prefix/ in the request, or set the variable {variable}"),
        )
    })
}

fn date_time(text: &str) -> Result<DateTime, BadRequest> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).map_err(|error| {
        let problem = format!("{text:?} is not an RFC 3339 time such as 2026-01-01T00:00:00Z: {error}");
        BadRequest::new("modified_after", problem)
    })
}

/// Checks the id of a job, which is a part of keys and of Hive-style folder names (`job=<job_id>`).
fn job_id(field: &str, id: String) -> Result<String, BadRequest> {
    check_job_id(&id).map_err(|error| BadRequest::new(field, error))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use serde_json::Value;

    fn validate(request: Value) -> Result<Job, String> {
        Request::parse(request)
            .and_then(|request| Job::from_request(&request, "request-1"))
            .map_err(|error| error.to_string())
    }

    fn with(field: &str, value: Value) -> Result<Job, String> {
        let mut request = json!({"source": "s3://photos/2024/", "destination": "s3://photos-out/"});
        request[field] = value;
        validate(request)
    }

    #[test]
    fn fields_that_are_left_out_have_defaults() {
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
            ("source", json!("photos"), "source: \"photos\" is not an S3 URI"),
            (
                "source",
                json!("s3://Photos/"),
                "source: \"Photos\" is not a bucket name",
            ),
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
            ("include", json!(["[a"]), "include: \"[a\" is not a valid glob"),
            ("exclude", json!(["[a"]), "exclude: \"[a\" is not a valid glob"),
            ("include", json!("*.jpg"), "include: invalid type: string"),
            (
                "modified_after",
                json!("yesterday"),
                "modified_after: \"yesterday\" is not an RFC 3339 time",
            ),
        ] {
            let error = with(field, value.clone()).unwrap_err();
            assert!(error.contains(part), "{field} = {value}: {error}");
        }
        assert!(validate(json!([])).unwrap_err().contains("must be a JSON object"));
        assert!(validate(json!({})).unwrap_err().contains("source: it is missing"));
    }

    #[test]
    fn every_number_has_a_range() {
        for (field, value, part) in [
            ("max_bytes", json!(0), "min_bytes: 1 is more than max_bytes, which is 0"),
            (
                "min_bytes",
                json!(6_000_000_000_u64),
                "min_bytes: 6000000000 is more than max_bytes, which is 5368709120",
            ),
            ("include", json!([]), "include: it is empty"),
            ("min_bytes", json!(-1), "min_bytes: invalid value: integer `-1`"),
            ("skip_current", json!(1), "skip_current: invalid type: integer `1`"),
            ("manifest", json!("list.csv"), "manifest: \"list.csv\" is not an S3 URI"),
            ("chunk_keys", json!(0), "chunk_keys: 0 is not within 1 to 10000"),
            ("chunk_bytes", json!(0), "chunk_bytes: 0 is not within"),
            ("parallel", json!(1001), "parallel: 1001 is not within 1 to 1000"),
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
            ("job_id", json!("a/b"), "job_id: \"a/b\" is not a job id"),
            (
                "job_id",
                json!("events-2024"),
                "job_id: \"events-2024\" is not a job id",
            ),
        ] {
            let error = with(field, value.clone()).unwrap_err();
            assert!(error.contains(part), "{field} = {value}: {error}");
        }
    }

    #[test]
    fn sidecars_of_stripped_images_are_refused() {
        let request = |records: &str| {
            validate(json!({
                "source": "s3://photos/", "destination": "s3://out/", "images": "strip", "records": records,
                "keep_copyright": true,
            }))
        };
        let error = request("sidecar").unwrap_err();
        assert!(
            error.starts_with("records: it is sidecar, and images is strip"),
            "{error}"
        );
        let options = request("ndjson").unwrap().strip.unwrap().options;
        assert_eq!((options.scope, options.keep_copyright), (strip::Scope::All, true));
    }

    #[test]
    fn renditions_are_checked_before_anything_is_done() {
        for (transform, part) in [
            (Value::Null, "transform: it is missing, and images is transform"),
            (
                json!({"renditions": []}),
                "transform.renditions: 0 is not within 1 to 8",
            ),
            (
                json!({"renditions": [{"max_edge": 9, "format": "gif"}]}),
                "transform.renditions[0].format: unknown variant `gif`",
            ),
        ] {
            let error = validate(json!({
                "source": "s3://photos/", "destination": "s3://out/", "images": "transform", "transform": transform,
            }));
            let error = error.unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        // For other modes it is a default that nobody uses.
        let copies = validate(json!({
            "source": "s3://photos/", "destination": "s3://out/", "transform": {"renditions": []},
        }));
        assert_eq!(copies.unwrap().transform, None);
    }

    #[test]
    fn fields_that_contradict_each_other_are_refused() {
        for (request, part) in [
            (
                json!({"source": "s3://photos/", "destination": "s3://out/", "skip_current": true, "images": "none"}),
                "skip_current: it compares images with their outputs",
            ),
            (
                json!({"source": "s3://photos/", "destination": "s3://out/", "skip_current": true,
                       "manifest": "s3://lists/a.csv"}),
                "skip_current: it compares listings",
            ),
        ] {
            let error = validate(request).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_environment_fills_fields_that_are_left_out() {
        let config = Config::load(&|name| match name {
            "DESTINATION" => Some("s3://photos-out".to_owned()),
            "CHUNK_KEYS" => Some("7".to_owned()),
            "PARALLEL" => Some("3".to_owned()),
            _ => None,
        })
        .unwrap();
        let request = Request::parse(json!({"source": "s3://photos/", "parallel": 5})).unwrap();
        let job = Job::from_request(&request.or(&config.defaults), "id").unwrap();
        assert_eq!((job.chunk_keys, job.parallel), (7, 5));
        assert_eq!(job.destination.job("id").key, "jobs/id/job.json");
    }

    #[test]
    fn times_may_have_an_offset() {
        let job = with("modified_after", json!("2026-01-01T02:00:00+02:00")).unwrap();
        assert_eq!(job.filter.modified_after.unwrap().secs(), 1_767_225_600);
    }
}
