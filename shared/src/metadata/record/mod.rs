//! The record: the metadata of one image, as one JSON object on one line.

mod fit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exif::Exif;
use super::format::Format;
use super::tiff::table::TagName;
use super::{Description, Metadata, Picture, Taken};
use crate::object::{ETag, Key, etag};

/// The version of the record's layout.
pub const SCHEMA: u32 = 2;

/// The most bytes of a record as JSON.
pub const MAX_BYTES: usize = 64 * 1024;

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
    pub image: Option<Box<Picture>>,
    pub exif: Option<Box<Exif>>,
    pub xmp: Option<BTreeMap<String, Value>>,
    pub iptc: Option<BTreeMap<&'static str, Value>>,
    pub description: Option<Box<Description>>,
    pub taken: Option<Taken>,
    pub tags: BTreeMap<TagName, Value>,
    pub omitted: Vec<String>,
    pub warnings: Vec<String>,
}

impl Record {
    #[must_use]
    pub fn new(origin: Origin, metadata: Metadata) -> Self {
        Self {
            schema: SCHEMA,
            origin,
            format: metadata.format,
            image: metadata.image,
            exif: metadata.exif,
            xmp: metadata.xmp,
            iptc: metadata.iptc,
            description: metadata.description,
            taken: metadata.taken,
            tags: metadata.tags,
            omitted: metadata.omitted,
            warnings: metadata.warnings,
        }
    }

    /// The record as one JSON object, of at most `max_bytes`.
    ///
    /// What does not fit is taken out of the record, the largest values first, and `omitted` names it.
    ///
    /// # Panics
    ///
    /// Never: every record is valid JSON.
    pub fn fit(&mut self, max_bytes: usize) -> Vec<u8> {
        let json = self.json();
        if json.len() <= max_bytes {
            return json;
        }
        fit::values(self, json.len() - max_bytes);
        let json = self.json();
        if json.len() <= max_bytes {
            return json;
        }
        fit::texts(self);
        self.json()
    }

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record is valid JSON")
    }
}
