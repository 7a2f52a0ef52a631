//! S3 as both functions use it: one way to make clients, every request counted, every read tied to
//! the `ETag` it was listed with, every error classed.

mod client;
mod meter;
mod read;
mod write;

pub use client::{config, loader};
pub use meter::{Meter, Requests};
pub use read::{Head, ObjectId, get};
pub use write::{Written, copy_image, create, put, put_image};

/// The media type of files with one JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";

/// An `ETag` as it goes over the wire: with its quotes.
fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An `ETag` as records and chunks carry it: without its quotes.
#[must_use]
pub fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}
