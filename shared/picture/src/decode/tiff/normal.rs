//! Rewrites files of kinds that the decoder refuses into kinds that it takes, and finds previews.

use std::borrow::Cow;
use std::ops::Range;

const NEW_SUBFILE_TYPE: u16 = 254;
const IMAGE_WIDTH: u16 = 256;
const IMAGE_LENGTH: u16 = 257;
const COMPRESSION: u16 = 259;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR_CONFIGURATION: u16 = 284;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;
const DNG_VERSION: u16 = 50_706;
const FILL_ORDER: u16 = 266;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const STRIP_BYTE_COUNTS: u16 = 279;

/// Photometric interpretations (TIFF 6.0).
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// A file that the decoder takes, and whether its samples are indices into the colour map.
///
/// - The indices of a palette are read as grey.
/// - Where the lowest bit of a byte comes first, as in faxes, the bits are reversed.
pub fn normalized(file: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let Some(directory) = Directory::first(file) else {
        return (Cow::Borrowed(file), false);
    };
    let is_palette = directory.number(PHOTOMETRIC) == Some(PALETTE.into());
    let is_reversed = directory.number(FILL_ORDER) == Some(2) && !directory.is_jpeg();
    if !is_palette && !is_reversed {
        return (Cow::Borrowed(file), false);
    }
    let mut copy = file.to_vec();
    if is_palette && let Some(entry) = directory.entry(PHOTOMETRIC) {
        let value = if directory.is_little {
            BLACK_IS_ZERO.to_le_bytes()
        } else {
            BLACK_IS_ZERO.to_be_bytes()
        };
        copy[entry + 8..entry + 10].copy_from_slice(&value);
    }
    if is_reversed {
        let mut rest = file.len();
        for range in directory.pieces() {
            // Pieces that overlap could take time without end.
            let Some(left) = rest.checked_sub(range.len()) else {
                break;
            };
            rest = left;
            for byte in copy.get_mut(range).unwrap_or_default() {
                *byte = byte.reverse_bits();
            }
        }
    }
    (Cow::Owned(copy), is_palette)
}

/// Whether the JPEGs in a file have no more pixels than the picture. A small file could hold a JPEG of any size.
pub fn has_fitting_jpegs(file: &[u8]) -> bool {
    const SLACK: usize = 1 << 20;
    Directory::first(file).is_none_or(|directory| {
        let size = |tag| directory.number(tag).unwrap_or(0);
        let most = size(IMAGE_WIDTH)
            .saturating_mul(size(IMAGE_LENGTH))
            .saturating_add(SLACK);
        let fits = |piece| match jpeg::Header::read(piece) {
            Ok(header) => header.width * header.height <= most,
            // The decoder says what is wrong with it.
            Err(_) => true,
        };
        !directory.is_jpeg() || directory.pieces().filter_map(|range| file.get(range)).all(fits)
    })
}

/// Whether each channel is stored apart from the others.
pub fn is_planar(file: &[u8]) -> bool {
    Directory::first(file).is_some_and(|directory| {
        directory.number(PLANAR_CONFIGURATION) == Some(2) && directory.number(SAMPLES_PER_PIXEL).is_some_and(|n| n > 1)
    })
}

/// Whether the first picture of a file is only a preview, as in RAW files with a TIFF structure.
pub fn is_preview(file: &[u8]) -> bool {
    Directory::first(file).is_some_and(|directory| {
        let is_reduced = directory.number(NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1);
        is_reduced || directory.entry(DNG_VERSION).is_some()
    })
}

/// The first directory of a file. Its entries have 12 bytes each: tag, type, count, and value or offset.
struct Directory<'a> {
    file: &'a [u8],
    is_little: bool,
    start: usize,
    count: usize,
}

impl<'a> Directory<'a> {
    fn first(file: &'a [u8]) -> Option<Self> {
        let mut directory = Self {
            file,
            is_little: file.starts_with(b"II"),
            start: 0,
            count: 0,
        };
        // Others are BigTIFF.
        if directory.short(2)? != 42 {
            return None;
        }
        let offset = directory.long(4)?;
        directory.count = directory.short(offset)?;
        directory.start = offset.checked_add(2)?;
        Some(directory)
    }

    fn short(&self, at: usize) -> Option<usize> {
        let bytes = *self.file.get(at..)?.first_chunk()?;
        Some(usize::from(if self.is_little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        }))
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = *self.file.get(at..)?.first_chunk()?;
        Some(if self.is_little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        } as usize)
    }

    /// Where the entry of a tag starts.
    fn entry(&self, tag: u16) -> Option<usize> {
        let entries = (0..self.count).map(|index| self.start + 12 * index);
        let mut entries = entries.take_while(|&entry| entry + 12 <= self.file.len());
        entries.find(|&entry| self.short(entry) == Some(tag.into()))
    }

    /// Whether the pieces are JPEGs (TIFF 6.0, and its technical note 2).
    fn is_jpeg(&self) -> bool {
        matches!(self.number(COMPRESSION), Some(6 | 7))
    }

    /// The strips or tiles.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let pieces = |offsets, counts| self.numbers(offsets).zip(self.numbers(counts));
        let all = pieces(STRIP_OFFSETS, STRIP_BYTE_COUNTS).chain(pieces(TILE_OFFSETS, TILE_BYTE_COUNTS));
        all.map(|(start, length)| start..start.saturating_add(length))
    }

    /// The first number of a tag.
    fn number(&self, tag: u16) -> Option<usize> {
        self.numbers(tag).next()
    }

    /// The numbers of a tag of type SHORT or LONG.
    fn numbers(&self, tag: u16) -> impl Iterator<Item = usize> {
        let found = self.entry(tag).and_then(|entry| {
            let (kind, count) = (self.short(entry + 2)?, self.long(entry + 4)?);
            let size = if kind == 3 { 2 } else { 4 };
            let is_inline = count.checked_mul(size)? <= 4;
            let start = if is_inline { entry + 8 } else { self.long(entry + 8)? };
            Some((size, count, start))
        });
        let (size, count, start) = found.unwrap_or((4, 0, 0));
        (0..count).map_while(move |index| {
            let at = start.checked_add(index * size)?;
            if size == 2 { self.short(at) } else { self.long(at) }
        })
    }
}
