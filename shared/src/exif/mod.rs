//! The bytes of an image to its metadata: pure functions, no I/O.
//!
//! [`read`] looks at the parts of a file that are there. It finds the EXIF block in its container,
//! copies its tables and small values into a compact block, has `kamadak-exif` read that, and turns
//! what it finds into the fields of a record. Where bytes are missing it answers with the ranges to
//! read: a short prefix is never "no EXIF". What it finds does not depend on the order and size of the
//! reads.
//!
//! | module | what it holds |
//! |---|---|
//! | `parts` | the bytes of a file that have been read |
//! | `format` | which container it is |
//! | `jpeg` `png` `webp` `heif` | where the EXIF block is in each |
//! | `block` | the bytes of that block |
//! | `tiff` `table` | its tables, checked and copied |
//! | `coalesce` | what to read of them in one request |
//! | `fields` `tags` `text` `number` | values |
//! | `warnings` | what could not be read |

mod block;
mod coalesce;
mod fields;
mod format;
mod heif;
mod jpeg;
mod number;
mod parts;
mod png;
mod table;
mod tags;
mod text;
mod tiff;
mod warnings;
mod webp;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;

use block::Block;
pub use fields::{Exif, Gps, WhiteBalance};
pub use format::Format;
use parts::Gap;
pub use parts::Parts;
pub use table::TagName;
use warnings::Warnings;

/// How much of a file is best read first: 99.75 % of real JPEG files have their EXIF within it.
pub const FRONT_BYTES: u64 = 128 * 1024;

/// What one image says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    pub format: Format,
    /// `None` when there is no EXIF block or nothing in it could be read.
    pub exif: Option<Exif>,
    pub tags: BTreeMap<TagName, Value>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Answer {
    Done(Metadata),
    /// These ranges of the file have to be read first; in its order, apart from each other.
    Need(Vec<Range<u64>>),
}

/// Reads the metadata of a file of which some parts are there.
#[must_use]
pub fn read(file: &Parts) -> Answer {
    let mut warnings = Warnings::default();
    match try_read(file, &mut warnings) {
        Ok((format, exif, tags)) => Answer::Done(Metadata {
            format,
            exif,
            tags,
            warnings: warnings.into_vec(),
        }),
        Err(ranges) => Answer::Need(ranges),
    }
}

/// Reads the metadata of a file that is there as a whole.
#[must_use]
pub fn read_whole(file: Bytes) -> Metadata {
    match read(&Parts::whole(file)) {
        Answer::Done(metadata) => metadata,
        Answer::Need(ranges) => unreachable!("{ranges:?} of a whole file are said to be missing"),
    }
}

type Found = (Format, Option<Exif>, BTreeMap<TagName, Value>);

fn try_read(file: &Parts, warnings: &mut Warnings) -> Result<Found, Vec<Range<u64>>> {
    let nothing = |format| Ok((format, None, BTreeMap::new()));
    let front = match file.get(0, Format::FRONT.min(file.size())) {
        Ok(front) => front,
        Err(Gap::Unread(range)) => return Err(vec![range]),
        Err(Gap::End) => unreachable!("no more was asked for than the file has"),
    };
    let format = Format::of(front);
    let found = match format {
        Format::Jpeg => jpeg::find(file, warnings),
        Format::Tiff => Ok(Some(Block::at(file, 0..file.size(), warnings))),
        Format::Heif | Format::Avif => heif::find(file, warnings),
        Format::Png => png::find(file, warnings),
        Format::Webp => webp::find(file, warnings),
        Format::Unknown => Ok(None),
    };
    let block = match found {
        Ok(Some(block)) => block,
        Ok(None) => return nothing(format),
        Err(Gap::Unread(range)) => return Err(vec![range]),
        Err(Gap::End) => {
            warnings.add("the file ends before all of it could be searched for EXIF");
            return nothing(format);
        }
    };
    let compact = tiff::compact(&block, warnings)?;
    if compact.is_empty() {
        return nothing(format);
    }
    // What there is to go on from was checked when it was copied.
    let exif = match exif::Reader::new().continue_on_error(true).read_raw(compact) {
        Ok(exif) => exif,
        Err(exif::Error::PartialResult(partial)) => {
            let (exif, damage) = partial.into_inner();
            for error in damage {
                warnings.add(format!("EXIF: {error}"));
            }
            exif
        }
        Err(error) => {
            warnings.add(format!("EXIF: {error}"));
            return nothing(format);
        }
    };
    let fields: Vec<&exif::Field> = exif.fields().collect();
    let tags = tags::all(&fields, exif.little_endian(), warnings);
    if tags.is_empty() {
        return nothing(format);
    }
    Ok((format, Some(fields::of(&fields, warnings)), tags))
}
