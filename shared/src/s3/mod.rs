//! S3 as both functions use it.
//!
//! | module | what it does |
//! |---|---|
//! | [`client`] | sets up clients: retries, time-outs, TLS |
//! | [`endpoint`] | finds the endpoint of each bucket |
//! | [`meter`] | counts every request |
//! | [`error`], [`error_kind`] | the errors, and the table that classifies them |
//! | [`retry`] | tells the SDK which errors to retry |
//! | [`list`] | lists a page |
//! | [`get`], [`body`] | reads objects by their `ETag` |
//! | [`head`] | asks for the size and the `ETag` of an object |
//! | [`raw`] | reads objects whose headers the SDK cannot read |
//! | [`agreement`] | compares each response to a read with its request |
//! | [`contradiction`] | sends a write again if its response contradicts it |
//! | [`put`] | writes objects, also on a condition |
//! | [`copy`] | copies inside S3 |
//! | [`multipart`] | writes objects in parts |
//! | [`annotation`] | attaches text to objects |
//! | [`payer`] | says that the requester pays |
//! | [`headers`] | the headers that an output takes over from its source |

mod agreement;
mod annotation;
mod body;
mod client;
mod contradiction;
mod copy;
mod endpoint;
mod error;
mod error_kind;
mod get;
mod head;
mod headers;
mod list;
mod meter;
mod multipart;
mod payer;
mod put;
mod raw;
mod retry;

pub use annotation::{expect_annotations, put_annotation};
pub use client::{Timeouts, attempt_timeout, config, kept_alive, loader, with_silence};
pub use copy::{CopySource, copy_image};
pub use error::{Cause, Error};
pub use error_kind::ErrorKind;
pub use get::{get_latest, get_object, open_latest, stream_object};
pub use head::head_object;
pub use list::{ListedObject, Page, Span, UnnamedObject, list};
pub use meter::{Meter, requester_pays};
pub use multipart::{MAX_PARTS, MultipartUpload};
pub use put::{Condition, ConditionalWrite, put_image, put_object, put_object_if, put_tagged};
pub use retry::error_in;

/// The media type of files with one JSON object per line.
pub const NDJSON: &str = "application/x-ndjson";

pub const JSON: &str = "application/json";
pub const HTML: &str = "text/html; charset=utf-8";
