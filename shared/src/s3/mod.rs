//! S3 as both functions use it: one way to make clients, every request counted, every read tied to
//! the `ETag` it was listed with, every error classed.

mod client;
mod endpoint;
mod list;
mod meter;
mod multipart;
mod read;
mod write;

pub use client::{LONGEST_ATTEMPT, config, loader, timeouts};
pub use list::{Listed, Page, Span, list};
pub use meter::{Meter, Requests};
pub use multipart::{MAX_PARTS, Upload};
pub use read::{Head, ObjectId, get, head};
pub use write::{Condition, Written, copy_image, put, put_if, put_image};

/// The media type of files with one JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";

pub const JSON: &str = "application/json";

/// An `ETag` as it goes over the wire: with its quotes.
#[must_use]
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An `ETag` as records and chunks carry it: without its quotes.
#[must_use]
pub fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}
