//! What a user asks for: each field of a request, declared once.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::filter;
use shared::modes::{Images, Records};
use shared::object::{ObjectUri, S3Uri};
use shared::settings::{Lookup, SettingError, named, parsed};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Starts a job, or goes on with one whose invocation was killed.
    #[default]
    Run,
    /// Lists, and estimates what a job would take.
    Plan,
    Status,
    /// Ends a job early, once what is in flight has ended.
    Stop,
    /// A new job of the failed and the unprocessed keys of another.
    Redrive,
}

/// A field that cannot be used as it is.
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
/// - `env`: the environment variable that fills the field where the request leaves it out, and the function
///   that reads it.
/// - `default`: what holds where both leave it out. The field gets a method of its own name, which gives the
///   value to use.
/// - `within`: the range that the method checks.
macro_rules! request_fields {
    ($(
        $(#[$attribute:meta])*
        $name:ident: $type:ty {
            $(env $read:ident $variable:literal;)?
            $(default $default:expr;)?
            $(within $range:expr;)?
        }
    )*) => {
        /// A request as it comes: every field may be left out.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Request {
            $($(#[$attribute])* pub $name: Option<$type>,)*
        }

        impl Request {
            /// What the environment says.
            pub fn from_environment(lookup: Lookup<'_>) -> Result<Self, SettingError> {
                Ok(Self {
                    $($name: request_fields!(@environment lookup $($read $variable)?),)*
                })
            }

            /// Fills what is left out.
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
    /// A list of keys in place of a listing.
    manifest: ObjectUri {}
    /// The job that a redrive continues.
    parent: String {}
    destination: S3Uri { env parsed "DESTINATION"; }
    /// Globs on the last part of a key; without them the names of images.
    include: Vec<String> { env list "INCLUDE"; }
    exclude: Vec<String> { env list "EXCLUDE"; default Vec::new(); }
    /// RFC 3339
    modified_after: String { env text "MODIFIED_AFTER"; }
    min_bytes: u64 { env parsed "MIN_BYTES"; default 1; within 0..=u64::MAX; }
    max_bytes: u64 { env parsed "MAX_BYTES"; default filter::MAX_OBJECT_BYTES; within 0..=u64::MAX; }
    images: Images { env named "IMAGES"; default Images::default(); }
    records: Records { env named "RECORDS"; default Records::default(); }
    /// Leave out images whose output is newer than they are.
    skip_current: bool { env parsed "SKIP_CURRENT"; default false; }
    chunk_keys: usize { env parsed "CHUNK_KEYS"; default 500; within 1..=10_000; }
    chunk_bytes: u64 { env parsed "CHUNK_BYTES"; default 256 * 1024 * 1024; within 1..=u64::MAX; }
    /// Processor invocations in flight. Each holds a connection, of 1,024 file descriptors in all.
    parallel: usize { env parsed "PARALLEL"; default 32; within 1..=900; }
    /// Images in flight in each invocation.
    concurrency: usize { env parsed "CONCURRENCY"; default 64; within 1..=900; }
    max_requests_per_second: f64 { env parsed "MAX_REQUESTS_PER_SECOND"; within 1.0..=1e6; }
    max_failed_percent: f64 { env parsed "MAX_FAILED_PERCENT"; default 100.0; within 0.0..=100.0; }
    job_id: String {}
}

impl Request {
    /// Reads a request; an error names the field.
    pub fn parse(request: Value) -> Result<Self, BadRequest> {
        if !request.is_object() {
            return Err(BadRequest::new(
                "request",
                "it must be a JSON object, as in {\"source\": \"s3://bucket/prefix/\"}",
            ));
        }
        serde_path_to_error::deserialize(request).map_err(|error| {
            let field = error.path().to_string();
            let field = if field == "." { "request" } else { &field };
            BadRequest::new(field, error.inner())
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it has the shape of the other readers")]
fn list(lookup: Lookup<'_>, name: &'static str) -> Result<Option<Vec<String>>, SettingError> {
    Ok(shared::settings::list(lookup, name))
}

#[expect(clippy::unnecessary_wraps, reason = "it has the shape of the other readers")]
fn text(lookup: Lookup<'_>, name: &'static str) -> Result<Option<String>, SettingError> {
    Ok(lookup(name))
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
        // What is asked for one job only has no variable.
        fields.retain(|name| !["MANIFEST", "PARENT", "JOB_ID"].contains(&name.as_str()));
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
