//! Finds the lists of keys that a manifest names.

use aws_sdk_s3::Client;
use serde::Deserialize;
use shared::object::{Bucket, Key, ObjectRef, ObjectUri, S3Uri};
use shared::s3::{self, Span};

use super::cursor::{Cursor, Format, KeyList};
use super::error::Error;
use super::list::has_ending;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(transparent)]
    Request(#[from] s3::Error),
    #[error("{uri}{problem}")]
    Unsupported { uri: ObjectUri, problem: String },
    #[error("{uri} is not a manifest of S3 Inventory: {problem}")]
    NotInventory { uri: ObjectUri, problem: String },
    /// An error in one of its lists.
    #[error(transparent)]
    List(#[from] Error),
}

/// S3 Inventory's manifest.json ("Locating your inventory list" in the S3 User Guide).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inventory {
    source_bucket: String,
    /// An ARN.
    destination_bucket: String,
    file_format: String,
    /// For CSV: the columns, separated by commas.
    file_schema: String,
    files: Vec<InventoryFile>,
}

#[derive(Debug, Deserialize)]
struct InventoryFile {
    key: Key,
}

/// Returns the cursors of all lists that a manifest names.
pub async fn open(s3: &Client, uri: &ObjectUri, source: &S3Uri) -> Result<Vec<Cursor>, ManifestError> {
    let unsupported = |problem: String| ManifestError::Unsupported {
        uri: uri.clone(),
        problem,
    };
    let key = uri.key.as_str();
    let plain = &Key::from(key.strip_suffix(".gz").unwrap_or(key));
    let format = if has_ending(plain, "json") {
        return inventory(s3, uri, source).await;
    } else if has_ending(plain, "csv") {
        Format::Csv
    } else if has_ending(plain, "ndjson") || has_ending(plain, "jsonl") {
        Format::Ndjson
    } else if has_ending(plain, "parquet") || has_ending(plain, "orc") {
        return Err(unsupported(format!(
            ": fanout does not read Parquet and ORC; {CHOOSE_CSV}"
        )));
    } else {
        let endings = "manifest.json (S3 Inventory), .csv, .ndjson or .jsonl; the last three also with .gz";
        return Err(unsupported(format!(" must end in {endings}")));
    };
    let list = KeyList {
        uri: uri.clone(),
        etag: None,
        format,
        rows: 0,
    };
    Ok(vec![Cursor::List(list)])
}

/// Returns the cursors of all files below a folder. Each file has one JSON object per line.
pub async fn files(s3: &Client, folder: &S3Uri) -> Result<Vec<Cursor>, s3::Error> {
    let mut cursors = Vec::new();
    let mut after = Key::default();
    loop {
        let span = Span {
            source: folder,
            after: &after,
            max_keys: 1000,
        };
        let page = s3::list(s3, span).await?;
        let last = page.objects.last().filter(|_| page.truncated);
        let next = last.map(|last| last.object.key.clone());
        cursors.extend(page.objects.into_iter().map(|listed| {
            Cursor::List(KeyList {
                uri: ObjectUri {
                    bucket: folder.bucket.clone(),
                    key: listed.object.key,
                },
                etag: listed.object.etag,
                format: Format::Ndjson,
                rows: 0,
            })
        }));
        match next {
            Some(next) => after = next,
            None => return Ok(cursors),
        }
    }
}

/// The largest manifest. It needs about 200 bytes per file, and a file can name millions of keys.
const MAX_MANIFEST_BYTES: u64 = 16 * 1024 * 1024;

const CHOOSE_CSV: &str = "choose CSV as the output format of the S3 Inventory configuration";

async fn inventory(s3: &Client, uri: &ObjectUri, source: &S3Uri) -> Result<Vec<Cursor>, ManifestError> {
    let file = ObjectRef::latest(uri.key.clone());
    let wrong = |problem: String| ManifestError::NotInventory {
        uri: uri.clone(),
        problem,
    };
    let unsupported = |problem: String| ManifestError::Unsupported {
        uri: uri.clone(),
        problem,
    };
    let found = s3::head_object(s3, &uri.bucket, &file).await?;
    let size = found.size.unwrap_or_default();
    if size > MAX_MANIFEST_BYTES {
        return Err(wrong(format!(
            "it has {size} bytes, more than {MAX_MANIFEST_BYTES}; a list of keys must end in .csv, .ndjson or .jsonl"
        )));
    }
    let (_, body) = s3::get_latest(s3, uri).await?;
    let manifest: Inventory = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    if manifest.file_format != "CSV" {
        return Err(unsupported(format!(
            " names files of format {}, but fanout reads only CSV; {CHOOSE_CSV}",
            manifest.file_format
        )));
    }
    if manifest.source_bucket != source.bucket.as_str() {
        return Err(unsupported(format!(
            " is an inventory of bucket {}, but the source is {source}",
            manifest.source_bucket
        )));
    }
    let columns = columns(&manifest.file_schema)
        .ok_or_else(|| wrong(format!("its fileSchema has no column Key: {}", manifest.file_schema)))?;
    let bucket = manifest
        .destination_bucket
        .rsplit_once(":::")
        .map_or(manifest.destination_bucket.as_str(), |(_, name)| name);
    let bucket = Bucket::new(bucket).map_err(|error| wrong(error.to_string()))?;
    let cursor = |file: InventoryFile| {
        Cursor::List(KeyList {
            uri: ObjectUri {
                bucket: bucket.clone(),
                key: file.key,
            },
            etag: None,
            format: Format::Inventory {
                columns: columns.clone(),
            },
            rows: 0,
        })
    };
    Ok(manifest.files.into_iter().map(cursor).collect())
}

/// The columns of a schema; `None` if none of them is `Key`.
fn columns(schema: &str) -> Option<Vec<String>> {
    let columns: Vec<String> = schema.split(',').map(|name| name.trim().to_owned()).collect();
    columns.iter().any(|column| column == "Key").then_some(columns)
}
