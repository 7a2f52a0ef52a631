//! Images in, metadata out: small files that are made here, for every container and every kind of damage, and the
//! real images in `EXIF_CORPUS`.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod carry;
mod containers;
mod corpus;
mod damage;
mod files;
mod formats;
mod maker_notes;
mod ranges;
mod strip;
mod tiff;
mod values;
mod windows;

use serde_json::Value;
use shared::metadata::{Metadata, read_whole};

fn read(file: &[u8]) -> Metadata {
    read_whole(file.to_vec().into())
}

/// The tags by name, as in a record.
fn tags(metadata: &Metadata) -> serde_json::Map<String, Value> {
    let names = metadata.tags.iter();
    names.map(|(name, value)| (name.to_string(), value.clone())).collect()
}

fn make(metadata: &Metadata) -> Option<&str> {
    metadata.exif.as_ref()?.make.as_deref()
}
