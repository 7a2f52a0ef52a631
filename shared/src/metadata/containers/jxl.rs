//! JPEG XL: a bare codestream, or boxes. Source: ISO/IEC 18181-1, annex D, for the size; ISO/IEC 18181-2 for boxes.

use super::iso_box::FileBox;
use super::unpack;
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

/// The start of a codestream.
pub const CODESTREAM: [u8; 2] = [0xFF, 0x0A];

/// A header of the size has no more bytes.
const SIZE_BYTES: u64 = 10;

/// Larger blocks are not read.
const MAX_BLOCK_BYTES: u64 = 1024 * 1024;

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let searched = parts(file, &mut blocks, warnings);
    warnings.unless_cut(searched)?;
    Ok(blocks)
}

fn parts<'a>(file: &'a FileView, blocks: &mut Blocks<'a>, warnings: &mut Warnings) -> Result<(), Missing> {
    if file.array(0)? == CODESTREAM {
        blocks.picture = picture(file, 0)?;
        return Ok(());
    }
    let mut at = 0;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            return Ok(());
        }
        let found = FileBox::at(file, at)?;
        let (start, length) = (found.body.start, found.body.end.min(file.size()) - found.body.start);
        match &found.kind {
            b"jxlc" => blocks.picture = picture(file, start)?,
            // A part, after its number.
            b"jxlp" if blocks.picture.width.is_none() && length > 4 => blocks.picture = picture(file, start + 4)?,
            b"Exif" | b"xml " | b"brob" if length > MAX_BLOCK_BYTES => {
                warnings.omit(format!(
                    "{}: {length} bytes",
                    String::from_utf8_lossy(&found.kind).trim()
                ));
            }
            b"Exif" if blocks.exif.is_none() => exif(Block::at(file, start..found.body.end, warnings), blocks)?,
            b"xml " => blocks.xmp.push(file.get(start, length)?.into()),
            b"brob" if length > 4 => packed(file.get(start, length)?, blocks, warnings)?,
            _ => {}
        }
        at = found.body.end;
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(())
}

/// The first four bytes say how far behind them the TIFF block starts.
fn exif<'a>(block: Block<'a>, blocks: &mut Blocks<'a>) -> Result<(), Missing> {
    let offset = match block.array(0) {
        Ok(offset) => u64::from(u32::from_be_bytes(offset)),
        Err(Missing::PastEnd) => return Ok(()),
        Err(unread) => return Err(unread),
    };
    let block = block.skip(4).skip(offset).without_id()?;
    if block.is_tiff()? {
        blocks.exif = Some(block);
    }
    Ok(())
}

/// A box in Brotli: its type, and then its packed content.
fn packed(bytes: &[u8], blocks: &mut Blocks<'_>, warnings: &mut Warnings) -> Result<(), Missing> {
    let (kind, packed) = bytes.split_at(4);
    if !matches!(kind, b"Exif" | b"xml ") {
        return Ok(());
    }
    let content = unpack::brotli(packed);
    if content.len() as u64 == unpack::MAX_BYTES {
        warnings.omit(format!(
            "{}: what follows its first {} bytes",
            String::from_utf8_lossy(kind).trim(),
            unpack::MAX_BYTES
        ));
    }
    if content.is_empty() {
        warnings.add("a packed box cannot be unpacked");
    } else if kind == b"xml " {
        blocks.xmp.push(content.into());
    } else if blocks.exif.is_none() {
        exif(Block::owned(content.into()), blocks)?;
    }
    Ok(())
}

/// The size in the header of a codestream.
fn picture(file: &FileView, at: u64) -> Result<Picture, Missing> {
    let bytes = file.ahead(at, SIZE_BYTES.min(file.size().saturating_sub(at)))?;
    let Some(rest) = bytes.strip_prefix(&CODESTREAM) else {
        return Ok(Picture::default());
    };
    let bits = rest
        .iter()
        .rev()
        .fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
    let (width, height) = size(Bits { bits });
    Ok(Picture::sized(width, height))
}

/// Bits from the lowest on.
struct Bits {
    bits: u128,
}

impl Bits {
    fn take(&mut self, count: u32) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 30 bits")]
        let taken = (self.bits & ((1 << count) - 1)) as u64;
        self.bits >>= count;
        taken
    }

    fn side(&mut self, is_small: bool) -> u64 {
        if is_small {
            return (self.take(5) + 1) * 8;
        }
        let width = [9, 13, 18, 30][usize::try_from(self.take(2)).unwrap_or_default()];
        self.take(width) + 1
    }
}

/// Width and height: the height, and then a ratio or the width.
fn size(mut bits: Bits) -> (u64, u64) {
    let is_small = bits.take(1) == 1;
    let height = bits.side(is_small);
    let width = match bits.take(3) {
        1 => height,
        2 => height * 12 / 10,
        3 => height * 4 / 3,
        4 => height * 3 / 2,
        5 => height * 16 / 9,
        6 => height * 5 / 4,
        7 => height * 2,
        _ => bits.side(is_small),
    };
    (width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_small_or_have_a_ratio_or_both_sides() {
        for (bits, expected) in [
            // 8 x (0 + 1), ratio 1.
            (0b0_0100_0001, (8, 8)),
            // Height 1 + 9 bits, ratio 7.
            (0b111_0000_0000_1000, (4, 2)),
            // Both sides.
            (0b00_0000_0110_0000_0000_0000_1000, (4, 2)),
        ] {
            assert_eq!(size(Bits { bits }), expected, "{bits:b}");
        }
    }
}
