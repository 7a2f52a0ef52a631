//! S3 as both functions use it.
//!
//! | module | what it does |
//! |---|---|
//! | [`client`] | sets up clients: retries, time-outs, TLS |
//! | [`endpoint`] | finds the endpoint of each bucket |
//! | [`meter`] | counts every request |
//! | [`error`] | classifies every error |
//! | [`list`] | lists a page |
//! | [`get`] | reads objects by their `ETag`, and checks each body |
//! | [`put`] | writes objects, also on a condition |
//! | [`copy`] | copies inside S3 |
//! | [`multipart`] | writes objects in parts |
//! | [`headers`] | the headers that an output takes over from its source |

mod client;
mod copy;
mod endpoint;
mod error;
mod get;
mod headers;
mod list;
mod meter;
mod multipart;
mod put;

pub use client::{MAX_ATTEMPT_TIME, config, loader, timeouts};
pub use copy::{CopySource, copy_image};
pub use error::{Cause, Error, ErrorKind};
pub use get::{get_latest, get_object, head_object, open_latest};
pub use list::{ListedObject, Page, Span, list};
pub use meter::Meter;
pub use multipart::{MAX_PARTS, MultipartUpload};
pub use put::{Condition, ConditionalWrite, put_image, put_object, put_object_if};

/// The media type of files with one JSON object per line.
pub const NDJSON: &str = "application/x-ndjson";

pub const JSON: &str = "application/json";
