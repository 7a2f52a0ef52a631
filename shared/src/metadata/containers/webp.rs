//! WebP: chunks for EXIF, XMP and a colour profile, which an extended file announces. Metadata usually comes after the image
//! data.
//!
//! Chunks and flags: RFC 9649, 2.3 to 2.7.

use std::ops::Range;

use crate::metadata::FRONT_BYTES;
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

/// The offset of the first chunk, after `RIFF`, the size and `WEBP`.
pub const FIRST_CHUNK: u64 = 12;

/// The bits in the first byte of a `VP8X` chunk.
const PROFILE: u8 = 0x20;
pub const ALPHA: u8 = 0x10;
pub const EXIF: u8 = 0x08;
pub const XMP: u8 = 0x04;
const ANIMATION: u8 = 0x02;

/// Frames are counted only in files up to this size, since their chunks go through all of the file.
const MAX_COUNTED_BYTES: u64 = 1024 * 1024;

/// Larger blocks are not read.
const MAX_BLOCK_BYTES: u64 = 1024 * 1024;

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let searched = chunks(file, &mut blocks, warnings);
    warnings.unless_cut(searched)?;
    Ok(blocks)
}

fn chunks<'a>(file: &'a FileView, blocks: &mut Blocks<'a>, warnings: &mut Warnings) -> Result<(), Missing> {
    let kind: [u8; 4] = file.array(FIRST_CHUNK)?;
    let body = FIRST_CHUNK + 8;
    blocks.picture = match &kind {
        b"VP8X" => extended(file.array(body)?),
        b"VP8 " => lossy(file.array(body)?),
        b"VP8L" => lossless(file.array(body)?),
        _ => Picture::default(),
    };
    // A simple file has only image data.
    if &kind != b"VP8X" {
        return Ok(());
    }
    let [flags] = file.array(body)?;
    let is_counted = flags & ANIMATION != 0 && file.size() <= MAX_COUNTED_BYTES;
    // The front holds all of a small file, so it is searched also for what the header does not announce.
    let is_small = file.size() <= FRONT_BYTES;
    if flags & (PROFILE | EXIF | XMP) == 0 && !is_counted && !is_small {
        return Ok(());
    }
    let mut missing = flags & (EXIF | XMP);
    let mut frames = 0;
    let mut at = FIRST_CHUNK;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            if missing != 0 {
                warnings.add("the header announces metadata that is not there");
            }
            if is_counted {
                blocks.picture.frames = Some(frames).filter(|frames| *frames > 0);
            }
            return Ok(());
        }
        let chunk = Chunk::at(file, at)?;
        let (body, length) = (chunk.data, chunk.length);
        let bytes = || file.ahead(body, length.min(file.size().saturating_sub(body)));
        match &chunk.kind {
            b"EXIF" if blocks.exif.is_none() => {
                missing &= !EXIF;
                blocks.exif = exif(file, body..body + length, warnings)?;
            }
            b"XMP " | b"XMP\0" | b"ICCP" if length > MAX_BLOCK_BYTES => {
                missing &= !XMP;
                warnings.omit(format!("{}: {length} bytes", String::from_utf8_lossy(&chunk.kind[..3])));
            }
            // Some writers end the name with a NUL.
            b"XMP " | b"XMP\0" if blocks.xmp.is_empty() => {
                missing &= !XMP;
                blocks.xmp.push(bytes()?.into());
            }
            b"ICCP" if blocks.icc.is_none() => blocks.icc = Some(bytes()?.into()),
            b"ANMF" => frames += 1,
            _ => {}
        }
        // Everything was found, and nothing must be counted.
        if missing == 0 && !is_counted && !is_small && (blocks.icc.is_some() || flags & PROFILE == 0) {
            return Ok(());
        }
        at = chunk.end();
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(())
}

/// A chunk of the file: its type, and where its data is.
pub struct Chunk {
    pub kind: [u8; 4],
    pub data: u64,
    pub length: u64,
}

impl Chunk {
    pub fn at(file: &FileView, at: u64) -> Result<Self, Missing> {
        let [kind @ .., l0, l1, l2, l3] = file.array::<8>(at)?;
        Ok(Self {
            kind,
            data: at + 8,
            length: u32::from_le_bytes([l0, l1, l2, l3]).into(),
        })
    }

    pub fn start(&self) -> u64 {
        self.data - 8
    }

    /// Chunks are padded to an even length.
    pub fn end(&self) -> u64 {
        self.data + self.length + self.length % 2
    }
}

fn exif<'a>(file: &'a FileView, range: Range<u64>, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
    let block = Block::at(file, range, warnings).without_id()?;
    if block.is_tiff()? {
        return Ok(Some(block));
    }
    warnings.add("an EXIF chunk without a TIFF header");
    Ok(None)
}

/// The flags, and width and height less 1 in three bytes each.
fn extended([flags, _, _, _, w0, w1, w2, h0, h1, h2]: [u8; 10]) -> Picture {
    let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
    Picture {
        has_alpha: Some(flags & ALPHA != 0),
        animated: Some(flags & ANIMATION != 0),
        ..Picture::sized(side(w0, w1, w2), side(h0, h1, h2))
    }
}

/// A key frame of VP8: a tag, a start code, width and height in 14 bits each (RFC 6386, 9.1).
fn lossy([_, _, _, s0, s1, s2, w0, w1, h0, h1]: [u8; 10]) -> Picture {
    if [s0, s1, s2] != [0x9D, 0x01, 0x2A] {
        return Picture::default();
    }
    let side = |low, high| u16::from_le_bytes([low, high]) & 0x3FFF;
    Picture {
        has_alpha: Some(false),
        animated: Some(false),
        ..Picture::sized(side(w0, w1), side(h0, h1))
    }
}

/// VP8L: a signature, width and height less 1 in 14 bits each, and a bit for alpha (RFC 9649, 3.4).
fn lossless([signature, b0, b1, b2, b3]: [u8; 5]) -> Picture {
    if signature != 0x2F {
        return Picture::default();
    }
    let bits = u32::from_le_bytes([b0, b1, b2, b3]);
    Picture {
        has_alpha: Some(bits >> 28 & 1 == 1),
        animated: Some(false),
        ..Picture::sized((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    }
}
