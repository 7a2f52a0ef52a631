//! From the bytes of an image to its metadata: pure functions without I/O.
//!
//! [`read`] works on the parts of a file that have been read. It finds the EXIF block in its container, and copies
//! the tables and small values of the block into a compact one. `kamadak-exif` reads the compact block, and the
//! result becomes the fields of a record. If bytes are missing, [`read`] returns the ranges to read. So a file is
//! never taken for one without EXIF because too little of it was read. The result does not depend on the order and
//! size of the reads.
//!
//! | module | what it holds |
//! |---|---|
//! | [`view`] | a file of which some bytes have been read |
//! | [`format`](mod@format) | the container of a file |
//! | [`containers`] | where each container holds the EXIF block |
//! | [`tiff`] | the tables of this block, checked and copied |
//! | [`exif`] | values: the fields and tags of a record |
//! | [`warnings`] | what could not be read |
//! | [`record`] | the metadata of one image, as one line of JSON |
//! | [`user_metadata`] | the few fields that a written image carries as S3 user metadata |

mod containers;
pub mod exif;
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

pub use containers::Skim;
use containers::Unread;
pub use exif::{Exif, Gps, WhiteBalance};
pub use format::Format;
pub use tiff::table::TagName;
pub use view::FileView;
use view::Missing;
use warnings::Warnings;

/// The default size of the front. It holds the EXIF of 99.75 % of real JPEG files.
pub const FRONT_BYTES: u64 = 128 * 1024;

/// The metadata of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    pub format: Format,
    /// `None` if there is no EXIF block, or nothing in it could be read.
    pub exif: Option<Exif>,
    pub tags: BTreeMap<TagName, Value>,
    pub warnings: Vec<String>,
}

/// The result of a read, as far as the parts of the file allow.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "only one exists at a time")]
pub enum Progress {
    Complete(Metadata),
    /// These ranges of the file must be read first. They are in the order of the file, with gaps between them.
    NeedRanges(Vec<Range<u64>>),
    /// The rest of the file must be fed to this, which then adds what it has kept to the file.
    NeedStream(Skim),
}

/// What must be read first.
enum Need {
    Ranges(Vec<Range<u64>>),
    Stream(u64),
}

impl From<Vec<Range<u64>>> for Need {
    fn from(ranges: Vec<Range<u64>>) -> Self {
        Self::Ranges(ranges)
    }
}

/// Reads the metadata of a file of which some parts have been read.
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
        Err(Need::Ranges(ranges)) => Progress::NeedRanges(ranges),
        Err(Need::Stream(from)) => Progress::NeedStream(Skim::new(from)),
    }
}

/// Reads the metadata of a file that has been read as a whole.
#[must_use]
pub fn read_whole(file: Bytes) -> Metadata {
    match read(&FileView::whole(file)) {
        Progress::Complete(metadata) => metadata,
        Progress::NeedRanges(ranges) => unreachable!("the file was read as a whole, but {ranges:?} are missing"),
        Progress::NeedStream(skim) => unreachable!("the file was read as a whole, but {skim:?} is missing"),
    }
}

/// `Err`: what must be read first.
fn try_read(file: &FileView, warnings: &mut Warnings) -> Result<(Format, Option<exif::Fields>), Need> {
    let front = match file.get(0, Format::FRONT_BYTES.min(file.size())) {
        Ok(front) => front,
        Err(Missing::NotRead(range)) => return Err(vec![range].into()),
        Err(Missing::PastEnd) => unreachable!("the front ends within the file"),
    };
    let format = Format::of(front);
    let block = match containers::find_exif(file, format, warnings) {
        Ok(Some(block)) => block,
        Ok(None) => return Ok((format, None)),
        Err(Unread::Missing(Missing::NotRead(range))) => return Err(vec![range].into()),
        Err(Unread::Rest(from)) => return Err(Need::Stream(from)),
        Err(Unread::Missing(Missing::PastEnd)) => {
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
