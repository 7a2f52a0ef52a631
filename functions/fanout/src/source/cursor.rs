//! From where on a part of the source is still to come; a part of the checkpoint.

use serde::{Deserialize, Serialize};
use shared::object::{ETag, Key, ObjectUri, etag};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    Keys(KeyRange),
    List(KeyList),
}

/// Keys from one (exclusive) to another (inclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Empty for the beginning.
    pub after: Key,
    /// `None` for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Key>,
}

/// A list of keys, from some row on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// Where it is.
    pub uri: ObjectUri,
    /// What it was when it was first opened: the rest must come from the same list.
    #[serde(default, with = "etag::or_empty", skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    pub format: Format,
    /// Rows that have been read.
    pub rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// CSV of S3 Inventory: the columns are named in its manifest, keys are URL-encoded.
    Inventory { columns: Vec<String> },
    /// CSV whose first record names the columns; keys are plain.
    Csv,
    /// One JSON object a line; keys are plain.
    Ndjson,
}
