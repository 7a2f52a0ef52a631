//! The bytes of an image to its metadata: pure functions, no I/O.
//!
//! [`read`] looks at the parts of a file that are there. It finds the EXIF block in its container,
//! copies its tables and small values into a compact block, has `kamadak-exif` read that, and turns
//! the result into the fields of a record. Where bytes are missing it returns the ranges to read: a short
//! prefix is never "no EXIF". The result does not depend on the order and size of the reads.
//!
//! | module | what it holds |
//! |---|---|
//! | [`view`] | a file of which some bytes have been read |
//! | [`format`](mod@format) | which container it is |
//! | [`containers`] | where the EXIF block is in each |
//! | [`tiff`] | the tables of that block, checked and copied |
//! | [`exif`] | values: the fields and tags of a record |
//! | [`warnings`] | what could not be read |
//! | [`record`] | the metadata of one image as one line of JSON |
//! | [`user_metadata`] | the few fields that a processed image carries as S3 user metadata |

mod containers;
mod exif;
mod format;
pub mod record;
mod tiff;
pub mod user_metadata;
mod view;
mod warnings;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;

pub use exif::{Exif, Gps, WhiteBalance};
pub use format::Format;
pub use tiff::table::TagName;
pub use view::FileView;
use view::Missing;
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

/// How far a file can be read.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Progress {
    Complete(Metadata),
    /// These ranges of the file have to be read first; in its order, apart from each other.
    NeedRanges(Vec<Range<u64>>),
}

/// Reads the metadata of a file of which some parts are there.
#[must_use]
pub fn read(file: &FileView) -> Progress {
    let mut warnings = Warnings::default();
    match try_read(file, &mut warnings) {
        Ok((format, fields)) => {
            let (exif, tags) = fields.unzip();
            Progress::Complete(Metadata {
                format,
                exif,
                tags: tags.unwrap_or_default(),
                warnings: warnings.into_vec(),
            })
        }
        Err(ranges) => Progress::NeedRanges(ranges),
    }
}

/// Reads the metadata of a file that is there as a whole.
#[must_use]
pub fn read_whole(file: Bytes) -> Metadata {
    match read(&FileView::whole(file)) {
        Progress::Complete(metadata) => metadata,
        Progress::NeedRanges(ranges) => unreachable!("{ranges:?} of a whole file are said to be missing"),
    }
}

/// `Err`: the ranges that have to be read first.
fn try_read(file: &FileView, warnings: &mut Warnings) -> Result<(Format, Option<exif::Fields>), Vec<Range<u64>>> {
    let front = match file.get(0, Format::FRONT_BYTES.min(file.size())) {
        Ok(front) => front,
        Err(Missing::NotRead(range)) => return Err(vec![range]),
        Err(Missing::PastEnd) => unreachable!("no more was asked for than the file has"),
    };
    let format = Format::of(front);
    let block = match containers::find_exif(file, format, warnings) {
        Ok(Some(block)) => block,
        Ok(None) => return Ok((format, None)),
        Err(Missing::NotRead(range)) => return Err(vec![range]),
        Err(Missing::PastEnd) => {
            warnings.add("the file ends before all of it could be searched for EXIF");
            return Ok((format, None));
        }
    };
    let compact = tiff::compact(&block, warnings)?;
    if compact.is_empty() {
        return Ok((format, None));
    }
    Ok((format, exif::read(compact, warnings)))
}
