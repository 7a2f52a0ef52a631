//! The record: the metadata of one image, as one JSON object on one line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Metadata;
use super::exif::Exif;
use super::format::Format;
use super::tiff::table::TagName;
use crate::object::{ETag, Key, etag};

/// The version of the record's layout.
pub const SCHEMA: u32 = 1;

/// The object or file that the metadata comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Empty for a file on disk.
    pub bucket: String,
    pub key: Key,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Empty if S3 did not send one.
    #[serde(default, with = "etag::or_empty")]
    pub etag: Option<ETag>,
    /// In bytes.
    pub size: u64,
    /// RFC 3339, UTC.
    pub last_modified: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    pub schema: u32,
    #[serde(flatten)]
    pub origin: Origin,
    pub format: Format,
    pub exif: Option<Exif>,
    pub tags: BTreeMap<TagName, Value>,
    pub warnings: Vec<String>,
}

impl Record {
    #[must_use]
    pub fn new(origin: Origin, metadata: Metadata) -> Self {
        Self {
            schema: SCHEMA,
            origin,
            format: metadata.format,
            exif: metadata.exif,
            tags: metadata.tags,
            warnings: metadata.warnings,
        }
    }
}
