//! Cursors: the parts of the source that are not listed yet. The checkpoint holds them.

use serde::{Deserialize, Serialize};
use shared::object::{ETag, Key, ObjectUri, etag};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    Keys(KeyRange),
    List(KeyList),
}

/// The keys from `after` (exclusive) to `until` (inclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Empty: from the first key.
    pub after: Key,
    /// `None`: to the last key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Key>,
}

/// The rest of a list of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// The file with the list.
    pub uri: ObjectUri,
    /// The `ETag` when the list was first opened. All rows must come from this version.
    #[serde(default, with = "etag::or_empty", skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    pub format: Format,
    /// How many rows have been read.
    pub rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The CSV of S3 Inventory. Its manifest names the columns. Keys are URL-encoded.
    Inventory { columns: Vec<String> },
    /// CSV whose first line names the columns. Keys are not encoded.
    Csv,
    /// One JSON object per line. Keys are not encoded.
    Ndjson,
}
