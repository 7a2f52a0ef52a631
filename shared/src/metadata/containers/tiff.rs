//! TIFF: EXIF is the file itself. The main table also names XMP, IPTC, Photoshop's resources and a colour profile, and has the
//! facts of the picture.
//!
//! Sources: TIFF 6.0, sections 2 and 8; XMP specification part 3, 1.1.1.

use std::borrow::Cow;
use std::ops::Range;

use super::{jpeg, photoshop};
use crate::metadata::blocks::Blocks;
use crate::metadata::format::Format;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::Block;
use crate::metadata::tiff::directory::{self, Directory};
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS_PER_SAMPLE: u16 = 258;
const EXTRA_SAMPLES: u16 = 338;
const XMP: u16 = 700;
const IPTC: u16 = 33723;
const PHOTOSHOP: u16 = 34377;
const ICC: u16 = 34675;

/// Panasonic's tag of a JPEG of the same picture, with EXIF of its own.
const RW2_JPEG: u16 = 0x002E;

/// Those of JPEG XR, which has a table like that of TIFF (ITU-T T.832, annex A).
const JXR_WIDTH: u16 = 0xBC80;
const JXR_HEIGHT: u16 = 0xBC81;

/// What tells RAW files from others: the camera's make, the compression, a colour filter array, and DNG's version.
const MAKE: u16 = 271;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const SUB_TABLES: u16 = 330;
const DNG_VERSION: u16 = 0xC612;
const COLOUR_FILTER_ARRAY: u64 = 32803;

/// The most further tables that are looked at.
const MAX_SUB_TABLES: u64 = 4;

/// Makes of cameras, as their RAW files begin with them in capitals, and the compressions that only they have.
const RAW: [(&str, Format, &[u64]); 8] = [
    ("NIKON", Format::Nef, &[34713]),
    ("SONY", Format::Arw, &[32767]),
    ("PENTAX", Format::Pef, &[65535]),
    ("RICOH", Format::Pef, &[65535]),
    ("SAMSUNG", Format::Srw, &[32769, 32770, 32772, 32773]),
    ("OLYMPUS", Format::Orf, &[]),
    ("KODAK", Format::Kdc, &[65000]),
    ("EASTMAN KODAK", Format::Kdc, &[65000]),
];

/// Larger blocks are not read.
const MAX_BLOCK_BYTES: u64 = 1024 * 1024;

/// Walks the TIFF structure in this range of a file.
pub fn walk<'a>(
    file: &'a FileView,
    range: Range<u64>,
    format: Format,
    warnings: &mut Warnings,
) -> Result<Blocks<'a>, Missing> {
    let main = directory::main(file, range.start);
    let exif = Some(Block::at(file, range, warnings));
    let main = match main {
        Ok(main) => main,
        // The reader of EXIF says what is wrong.
        Err(Missing::PastEnd) => {
            return Ok(Blocks {
                exif,
                ..Blocks::default()
            });
        }
        Err(unread) => return Err(unread),
    };
    let mut walk = Walk {
        file,
        main,
        unread: Vec::new(),
        warnings,
    };
    let mut blocks = walk.blocks(format);
    if format == Format::Tiff {
        blocks.format = walk.raw();
    }
    if format == Format::Rw2
        && let Some((start, length)) = walk.main.bytes(RW2_JPEG)
    {
        let within = start..start.saturating_add(length).min(file.size());
        blocks.embedded_exif = jpeg::walk(file, within, walk.warnings)?.exif;
    }
    blocks.exif = exif;
    blocks.unread = walk.unread;
    Ok(blocks)
}

struct Walk<'a, 'w> {
    file: &'a FileView,
    main: Directory,
    /// What must be read before the blocks are known. So it is read together, and not one after the other.
    unread: Vec<Range<u64>>,
    warnings: &'w mut Warnings,
}

impl<'a> Walk<'a, '_> {
    fn got<T>(&mut self, asked: Result<Option<T>, Missing>) -> Option<T> {
        match asked {
            Ok(got) => got,
            Err(Missing::PastEnd) => None,
            Err(Missing::NotRead(range)) => {
                self.unread.push(range);
                None
            }
        }
    }

    fn number(&mut self, tag: u16) -> Option<u64> {
        self.got(self.main.number(self.file, tag))
    }

    /// What the main table names.
    fn blocks(&mut self, format: Format) -> Blocks<'a> {
        let mut blocks = Blocks {
            picture: self.picture(format),
            ..Blocks::default()
        };
        blocks.xmp.extend(self.block(XMP).map(Cow::Borrowed));
        blocks.iptc = self.block(IPTC).map(Cow::Borrowed);
        blocks.icc = self.block(ICC).map(Cow::Borrowed);
        if let Some(resources) = self.block(PHOTOSHOP) {
            photoshop::add(resources, &mut blocks, self.warnings);
        }
        blocks
    }

    fn picture(&mut self, format: Format) -> Picture {
        let (width, height) = match format {
            Format::Tiff => (WIDTH, HEIGHT),
            Format::Jxr => (JXR_WIDTH, JXR_HEIGHT),
            // The main table of a RAW file is that of a smaller picture.
            _ => return Picture::default(),
        };
        let sized = Picture::sized(self.number(width).unwrap_or(0), self.number(height).unwrap_or(0));
        if format == Format::Jxr {
            return sized;
        }
        Picture {
            bit_depth: self.number(BITS_PER_SAMPLE).and_then(|depth| u16::try_from(depth).ok()),
            // 1 and 2: the extra sample is opacity. 0: nobody says what it is.
            has_alpha: Some(matches!(self.number(EXTRA_SAMPLES), Some(1 | 2))),
            ..sized
        }
    }

    fn block(&mut self, tag: u16) -> Option<&'a [u8]> {
        let (start, length) = self.main.bytes(tag)?;
        if length > MAX_BLOCK_BYTES {
            self.warnings.omit(format!("tag {tag}: {length} bytes"));
            return None;
        }
        let found = self.file.get(start, length);
        if found == Err(Missing::PastEnd) {
            self.warnings.add(format!("tag {tag}: lies outside the file"));
        }
        self.got(found.map(Some))
    }

    /// The format of a RAW file, if it is one.
    fn raw(&mut self) -> Option<Format> {
        if self.number(DNG_VERSION).is_some() {
            return Some(Format::Dng);
        }
        let make = self.got(self.main.text(self.file, MAKE))?.to_ascii_uppercase();
        let (_, format, compressions) = RAW.iter().find(|(name, ..)| make.starts_with(name))?;
        if self.is_raw(None, compressions) {
            return Some(*format);
        }
        for index in 0..MAX_SUB_TABLES {
            let offset = self.got(self.main.number_at(self.file, SUB_TABLES, index))?;
            let table = self.got(self.main.table(self.file, offset).map(Some));
            if table.is_some_and(|table| self.is_raw(Some(&table), compressions)) {
                return Some(*format);
            }
        }
        None
    }

    /// Whether a table, or else the main one, is that of a picture as a sensor gives it.
    fn is_raw(&mut self, table: Option<&Directory>, compressions: &[u64]) -> bool {
        let number = |tag| table.unwrap_or(&self.main).number(self.file, tag);
        let (photometric, compression) = (number(PHOTOMETRIC), number(COMPRESSION));
        let is_filtered = self.got(photometric) == Some(COLOUR_FILTER_ARRAY);
        is_filtered
            || self
                .got(compression)
                .is_some_and(|compression| compressions.contains(&compression))
    }
}
