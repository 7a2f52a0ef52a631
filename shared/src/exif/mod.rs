//! The bytes of an image to its metadata: pure functions, no I/O.
//!
//! [`read`] finds the EXIF block in its container, hands it to `kamadak-exif`, and turns what that
//! finds into the fields of a record. Asked with the front of a file it answers `None` when the front
//! does not settle the matter: a short prefix is never "no EXIF".

mod fields;
mod format;
mod jpeg;
mod number;
mod tags;
mod text;

use std::collections::BTreeMap;
use std::io::Cursor;

use serde_json::Value;

pub use fields::{Exif, Gps, WhiteBalance};
pub use format::Format;
use jpeg::Search;

/// What one image says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    pub format: Format,
    /// `None` when there is no EXIF block or nothing in it could be read.
    pub exif: Option<Exif>,
    pub tags: BTreeMap<String, Value>,
    pub warnings: Vec<String>,
}

impl Metadata {
    fn without_exif(format: Format, warnings: Vec<String>) -> Self {
        Self {
            format,
            exif: None,
            tags: BTreeMap::new(),
            warnings,
        }
    }
}

/// Reads the metadata from the front of a file, or from all of it (`whole`).
///
/// `None`: more bytes are needed. Never `None` when the file is whole.
#[must_use]
pub fn read(bytes: &[u8], whole: bool) -> Option<Metadata> {
    match Format::of(bytes) {
        Format::Unknown => Some(Metadata::without_exif(Format::Unknown, Vec::new())),
        Format::Jpeg => match jpeg::find_exif(bytes) {
            Search::Found(block) => Some(parse_block(Format::Jpeg, block)),
            Search::Absent => Some(Metadata::without_exif(Format::Jpeg, Vec::new())),
            Search::Short if whole => Some(Metadata::without_exif(
                Format::Jpeg,
                vec!["the file ends before its image data".to_owned()],
            )),
            Search::Short => None,
        },
        format => read_container(format, bytes, whole),
    }
}

fn parse_block(format: Format, block: &[u8]) -> Metadata {
    settle(
        format,
        exif::Reader::new().continue_on_error(true).read_raw(block.to_vec()),
    )
}

/// The formats whose containers `kamadak-exif` walks by itself. On a part of a file its word counts
/// only when it read all it looked for: it cannot tell a cut from damage.
fn read_container(format: Format, bytes: &[u8], whole: bool) -> Option<Metadata> {
    let result = exif::Reader::new()
        .continue_on_error(whole)
        .read_from_container(&mut Cursor::new(bytes));
    (whole || result.is_ok()).then(|| settle(format, result))
}

fn settle(format: Format, result: Result<exif::Exif, exif::Error>) -> Metadata {
    let (found, damage) = match result {
        Ok(found) => (found, Vec::new()),
        Err(exif::Error::PartialResult(partial)) => partial.into_inner(),
        Err(exif::Error::NotFound(_)) => return Metadata::without_exif(format, Vec::new()),
        Err(error) => return Metadata::without_exif(format, vec![format!("EXIF: {error}")]),
    };
    let mut warnings: Vec<String> = damage.iter().map(|error| format!("EXIF: {error}")).collect();
    let tags = tags::all(&found, &mut warnings);
    if tags.is_empty() {
        return Metadata::without_exif(format, warnings);
    }
    Metadata {
        format,
        exif: Some(fields::of(&found, &mut warnings)),
        tags,
        warnings,
    }
}
