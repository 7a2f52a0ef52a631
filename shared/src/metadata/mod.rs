//! From the bytes of an image to its metadata: pure functions without I/O.
//!
//! [`read`] works on the parts of a file that have been read. It walks the container of a file, and names the blocks in
//! it: EXIF, XMP, IPTC and a colour profile. Each block has a reader. [`tiff`] copies the tables and small values of EXIF
//! into a compact block, which `kamadak-exif` reads. [`merge`] reconciles what the blocks say. If bytes are missing, [`read`]
//! returns the ranges to read. So a file is never taken for one without metadata because too little of it was read. The
//! result does not depend on the order and size of the reads.
//!
//! | module | what it holds |
//! |---|---|
//! | [`view`] | a file of which some bytes have been read |
//! | [`format`](mod@format) | the container of a file |
//! | [`containers`] | where each container holds its blocks, and its facts of the picture |
//! | [`blocks`], [`picture`] | these blocks, and these facts |
//! | [`tiff`] | the tables of EXIF, checked and copied |
//! | [`exif`], [`xmp`], [`iptc`], [`icc`] | the readers of blocks |
//! | [`merge`] | what they say together: the description, and when the picture was taken |
//! | [`warnings`] | what could not be read, and what was left out |
//! | [`record`] | the metadata of one image, as one line of JSON |
//! | [`user_metadata`] | the few fields that a written image carries as S3 user metadata |

mod blocks;
pub(crate) mod containers;
pub mod exif;
mod format;
mod icc;
pub(crate) mod iptc;
mod merge;
mod picture;
pub mod record;
pub(crate) mod tiff;
pub mod user_metadata;
pub(crate) mod view;
pub(crate) mod warnings;
pub(crate) mod xmp;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde_json::Value;

use blocks::Blocks;
pub use containers::Skim;
use containers::Unread;
pub use exif::{Exif, Gps, WhiteBalance};
pub use format::Format;
use merge::Sources;
pub use merge::description::Description;
pub use merge::taken::{Source as TakenFrom, Taken};
pub use picture::Picture;
use picture::Span;
use tiff::coalesce;
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
    /// Facts of the picture. `None` if the container says none.
    pub image: Option<Box<Picture>>,
    /// `None` if there is no EXIF block, or nothing in it could be read. The same holds for the other blocks.
    pub exif: Option<Box<Exif>>,
    pub xmp: Option<BTreeMap<String, Value>>,
    pub iptc: Option<BTreeMap<&'static str, Value>>,
    pub description: Option<Box<Description>>,
    pub taken: Option<Taken>,
    pub tags: BTreeMap<TagName, Value>,
    /// What was left out on purpose.
    pub omitted: Vec<String>,
    /// Damage.
    pub warnings: Vec<String>,
}

/// The result of a read, as far as the parts of the file allow.
#[derive(Clone, Debug, PartialEq)]
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
    match try_read(file) {
        Ok(metadata) => Progress::Complete(metadata),
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
fn try_read(file: &FileView) -> Result<Metadata, Need> {
    let mut warnings = Warnings::default();
    let front = match file.get(0, Format::FRONT_BYTES.min(file.size())) {
        Ok(front) => front,
        Err(Missing::NotRead(range)) => return Err(vec![range].into()),
        Err(Missing::PastEnd) => unreachable!("the front ends within the file"),
    };
    let format = Format::of(front);
    let blocks = match containers::walk(file, format, &mut warnings) {
        Ok(blocks) => blocks,
        Err(Unread::Missing(Missing::NotRead(range))) => return Err(vec![range].into()),
        Err(Unread::Rest(from)) => return Err(Need::Stream(from)),
        Err(Unread::Missing(Missing::PastEnd)) => {
            warnings.add("the file ends before all of it could be searched");
            Blocks::default()
        }
    };
    let format = blocks.format.unwrap_or(format);
    let mut unread = blocks.unread.clone();
    let mut fields = Vec::new();
    for block in [&blocks.exif, &blocks.embedded_exif].into_iter().flatten() {
        match tiff::compact(block, &mut warnings) {
            Ok(compact) if compact.bytes.is_empty() => {}
            Ok(compact) => {
                let maker_note = compact.maker_note.or(blocks.maker_note);
                fields.extend(exif::read(compact.bytes, maker_note, &mut warnings));
            }
            Err(ranges) => unread.extend(ranges),
        }
    }
    if !unread.is_empty() {
        return Err(coalesce(unread).into());
    }
    let fields = fields.into_iter().reduce(exif::complete);
    Ok(complete(file.size(), format, &blocks, fields, warnings))
}

/// Reads the other blocks, and reconciles all of them.
fn complete(
    size: u64,
    format: Format,
    blocks: &Blocks<'_>,
    fields: Option<exif::Fields>,
    mut warnings: Warnings,
) -> Metadata {
    let (exif, tags) = fields.unzip();
    let tags = tags.unwrap_or_default();
    let xmp = xmp::read(&blocks.xmp, &mut warnings);
    let iptc = blocks.iptc.as_ref().and_then(|block| iptc::read(block, &mut warnings));
    let mut image = blocks.picture.clone();
    image.icc_profile = blocks.icc.as_ref().and_then(|profile| icc::description(profile));
    image.thumbnail = blocks
        .exif
        .as_ref()
        .and_then(|block| thumbnail(block.offset()?, &tags, size));
    if let Some(xmp) = &xmp {
        image.add_xmp(xmp, size);
    }
    let digest = blocks.iptc.as_ref().map(|block| <[u8; 16]>::from(Md5::digest(block)));
    let sources = Sources {
        exif: exif.as_ref(),
        tags: &tags,
        xmp: xmp.as_ref(),
        iptc: iptc.as_ref(),
        iptc_is_newer: blocks.iptc_digest.is_some_and(|stated| Some(stated) != digest),
    };
    let (description, taken) = (merge::description::of(&sources), merge::taken::of(&sources));
    let (warnings, omitted) = warnings.into_lists();
    Metadata {
        format,
        image: Some(image).filter(|image| !image.is_empty()).map(Box::new),
        exif: exif.map(Box::new),
        xmp: xmp.map(|xmp| xmp.flat),
        iptc,
        description: description.map(Box::new),
        taken,
        tags,
        omitted,
        warnings,
    }
}

/// The JPEG that the table of the thumbnail names. `start` is where the block starts in the file.
fn thumbnail(start: u64, tags: &exif::Tags, size: u64) -> Option<Span> {
    const OFFSET: u16 = 0x0201;
    const LENGTH: u16 = 0x0202;
    let number = |tag| tags.get(&tiff::table::Table::Ifd1.tag(tag))?.as_u64();
    let span = Span {
        offset: start.checked_add(number(OFFSET)?)?,
        length: number(LENGTH)?,
    };
    (span.length > 0 && span.offset.checked_add(span.length)? <= size).then_some(span)
}
