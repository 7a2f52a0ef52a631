//! The request of a user. Each field is declared once.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::filter;
use shared::modes::{Images, Records};
use shared::object::{ObjectUri, S3Uri};
use shared::protocol::job::Planned;
use shared::settings::{Lookup, SettingError, named, parsed};
use shared::strip::Scope;
use shared::transform::{DEFAULT_MAX_PIXELS, Transform};

use crate::assumptions::Assumptions;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Starts a job, or continues one whose invocation was killed.
    #[default]
    Run,
    /// Lists the source, and estimates the time and cost of a job.
    Plan,
    /// Responds with the report of a job.
    Status,
    /// Ends a job early, after the attempts in flight have ended.
    Stop,
    /// Starts a job over the keys that another job left.
    Redrive,
}

/// A field that is missing or wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadRequest {
    field: String,
    problem: String,
}

impl BadRequest {
    pub fn new(field: &str, problem: impl std::fmt::Display) -> Self {
        Self {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }
}

/// Declares the fields of [`Request`]: `name: type { env reader "VARIABLE"; default value; within range; }`.
///
/// - `env`: the environment variable that is used if the request does not have the field, and the function that reads
///   it.
/// - `default`: the value if neither has it. The field gets a method of its own name, which returns the value to use.
/// - `within`: the range that this method checks.
macro_rules! request_fields {
    ($(
        $(#[$attribute:meta])*
        $name:ident: $type:ty {
            $(env $read:ident $variable:literal;)?
            $(default $default:expr;)?
            $(within $range:expr;)?
        }
    )*) => {
        /// A request as it was sent. Every field is optional.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Request {
            $($(#[$attribute])* pub $name: Option<$type>,)*
        }

        impl Request {
            /// Reads the fields from environment variables.
            pub fn from_environment(lookup: Lookup<'_>) -> Result<Self, SettingError> {
                Ok(Self {
                    $($name: request_fields!(@environment lookup $($read $variable)?),)*
                })
            }

            /// Fills missing fields from `defaults`.
            #[must_use]
            pub fn or(self, defaults: &Self) -> Self {
                let defaults = defaults.clone();
                Self {
                    $($name: self.$name.or(defaults.$name),)*
                }
            }

            $(request_fields! { @value $name: $type { $(default $default;)? $(within $range;)? } })*
        }
    };
    (@environment $lookup:ident) => { None };
    (@environment $lookup:ident $read:ident $variable:literal) => { $read($lookup, $variable)? };
    (@value $name:ident: $type:ty {}) => {};
    (@value $name:ident: $type:ty { default $default:expr; }) => {
        pub fn $name(&self) -> $type {
            self.$name.clone().unwrap_or($default)
        }
    };
    (@value $name:ident: $type:ty { within $range:expr; }) => {
        pub fn $name(&self) -> Result<Option<$type>, BadRequest> {
            self.$name.map(|value| within(stringify!($name), value, $range)).transpose()
        }
    };
    (@value $name:ident: $type:ty { default $default:expr; within $range:expr; }) => {
        pub fn $name(&self) -> Result<$type, BadRequest> {
            within(stringify!($name), self.$name.unwrap_or($default), $range)
        }
    };
}

request_fields! {
    action: Action { env named "ACTION"; default Action::Run; }
    source: S3Uri { env parsed "SOURCE"; }
    /// A list of keys to use instead of a listing.
    manifest: ObjectUri {}
    /// For a redrive: the job whose keys are processed.
    parent: String {}
    destination: S3Uri { env parsed "DESTINATION"; }
    /// Where records, sidecars and the files of jobs go, if not to the destination.
    records_destination: S3Uri { env parsed "RECORDS_DESTINATION"; }
    /// Globs for the part of a key after its last `/`. By default, the extensions of image formats.
    include: Vec<String> { env list "INCLUDE"; }
    exclude: Vec<String> { env list "EXCLUDE"; default Vec::new(); }
    /// A time in RFC 3339.
    modified_after: String { env parsed "MODIFIED_AFTER"; }
    min_bytes: u64 { env parsed "MIN_BYTES"; default 1; within 0..=u64::MAX; }
    max_bytes: u64 { env parsed "MAX_BYTES"; default filter::MAX_OBJECT_BYTES; within 0..=u64::MAX; }
    images: Images { env named "IMAGES"; default Images::default(); }
    records: Records { env named "RECORDS"; default Records::default(); }
    /// Whether to write the ignored keys, and why they were ignored.
    list_ignored: bool { env parsed "LIST_IGNORED"; default false; }
    /// What to make of each image, if `images` is `transform`.
    transform: Transform { env parsed "TRANSFORM"; }
    /// What to remove of each image, if `images` is `strip`.
    strip: Scope { env named "STRIP"; default Scope::default(); }
    /// Whether who made the picture, and who may use it, stays.
    keep_copyright: bool { env parsed "KEEP_COPYRIGHT"; default false; }
    /// The names of the S3 user metadata that stays.
    keep_user_metadata: Vec<String> { env list "KEEP_USER_METADATA"; default Vec::new(); }
    /// The most pixels of an image that is decoded.
    max_pixels: u64 { env parsed "MAX_PIXELS"; default DEFAULT_MAX_PIXELS; within 1..=u64::MAX; }
    /// Whether to skip images whose copy is newer than they are.
    skip_current: bool { env parsed "SKIP_CURRENT"; default false; }
    /// Whether reads of the source say that the requester pays.
    request_payer: bool { env parsed "REQUEST_PAYER"; default false; }
    chunk_keys: usize { env parsed "CHUNK_KEYS"; default 500; within 1..=10_000; }
    chunk_bytes: u64 { env parsed "CHUNK_BYTES"; default 256 * 1024 * 1024; within 1..=u64::MAX; }
    /// The most processor invocations in flight. Each needs a connection, and a function has 1,024 file descriptors.
    parallel: usize { env parsed "PARALLEL"; default 32; within 1..=1000; }
    /// Images in flight that each invocation starts with.
    concurrency: usize { env parsed "CONCURRENCY"; default 64; within 1..=900; }
    max_requests_per_second: f64 { env parsed "MAX_REQUESTS_PER_SECOND"; within 1.0..=1e6; }
    max_failed_percent: f64 { env parsed "MAX_FAILED_PERCENT"; default 100.0; within 0.0..=100.0; }
    job_id: String {}
    /// What a plan said. It is shown in the report.
    planned: Planned {}
    /// For a plan: what is known about the place where the job would run. A job ignores it.
    assume: Assumptions { default Assumptions::default(); }
}

impl Request {
    /// The fields in which another request differs, with its values. Fields that say nothing about what a job does are left
    /// out.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        const NO_SETTINGS: [&str; 4] = ["action", "job_id", "planned", "assume"];
        let fields = |request: &Self| match serde_json::to_value(request) {
            Ok(Value::Object(fields)) => fields,
            _ => unreachable!("a request is a JSON object"),
        };
        let others = fields(other);
        let differing = fields(self).into_iter().filter_map(|(name, value)| {
            let other = &others[&name];
            let differs = *other != value && !NO_SETTINGS.contains(&name.as_str());
            let shown = |value: &Value| match value {
                Value::Null => "the default".to_owned(),
                given => given.to_string(),
            };
            differs.then(|| format!("{name} is {}, not {}", shown(other), shown(&value)))
        });
        differing.collect()
    }

    /// Reads a request. An error names the field.
    pub fn parse(request: Value) -> Result<Self, BadRequest> {
        if !request.is_object() {
            return Err(BadRequest::new(
                "request",
                "it must be a JSON object, such as {\"source\": \"s3://bucket/prefix/\"}",
            ));
        }
        serde_path_to_error::deserialize(request).map_err(|error| {
            let field = error.path().to_string();
            let field = if field == "." { "request" } else { &field };
            BadRequest::new(field, error.inner())
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it has the signature of the other readers")]
fn list(lookup: Lookup<'_>, name: &'static str) -> Result<Option<Vec<String>>, SettingError> {
    Ok(shared::settings::list(lookup, name))
}

fn within<T: PartialOrd + ToString>(
    field: &str,
    value: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, BadRequest> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (min, max) = range.into_inner();
    let [value, min, max] = [value, min, max].map(|number| number.to_string());
    Err(BadRequest::new(field, format!("{value} is not within {min} to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_own_variable() {
        let names = std::cell::RefCell::new(Vec::new());
        let lookup = |name: &str| {
            names.borrow_mut().push(name.to_owned());
            None
        };
        assert_eq!(Request::from_environment(&lookup).unwrap(), Request::default());
        let fields = serde_json::to_value(Request::default()).unwrap();
        let mut fields: Vec<String> = fields
            .as_object()
            .unwrap()
            .keys()
            .map(|name| name.to_uppercase())
            .collect();
        // These fields belong to one request, so they have no variable.
        fields.retain(|name| !["MANIFEST", "PARENT", "JOB_ID", "PLANNED", "ASSUME"].contains(&name.as_str()));
        let mut names = names.into_inner();
        names.sort();
        fields.sort();
        assert_eq!(names, fields);
    }

    #[test]
    fn a_bad_variable_is_named() {
        let lookup = |name: &str| (name == "PARALLEL").then(|| "many".to_owned());
        let error = Request::from_environment(&lookup).unwrap_err().to_string();
        assert!(error.starts_with("environment variable PARALLEL: \"many\""), "{error}");
    }
}
