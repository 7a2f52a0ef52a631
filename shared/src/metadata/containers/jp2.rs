//! JPEG 2000: the header, and boxes of EXIF, XMP and IPTC. Sources: ITU-T T.800, annexes A and I; the identifiers of Adobe's and
//! other programs' boxes.

use super::iso_box::{FileBox, Reader};
use super::photoshop;
use crate::metadata::blocks::Blocks;
use crate::metadata::picture::Picture;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

/// The identifiers of boxes of metadata. Photoshop has its own for EXIF and for its resources.
const EXIF: [u8; 16] = *b"JpgTiffExif->JP2";
const PHOTOSHOP_EXIF: [u8; 16] = 0x0537_CDAB_9D0C_4431_A72A_FA56_1F2A_113E_u128.to_be_bytes();
const PHOTOSHOP: [u8; 16] = 0x2C4C_0100_8504_40B9_A03E_5621_48D6_DFEB_u128.to_be_bytes();
const XMP: [u8; 16] = 0xBE7A_CFCB_97A9_42E8_9C71_9994_91E3_AFAC_u128.to_be_bytes();
const IPTC: [u8; 16] = 0x33C7_A4D2_B81D_4723_A0BA_F1A3_E097_AD38_u128.to_be_bytes();
const ID_BYTES: u64 = 16;

/// Larger blocks are not read.
const MAX_BLOCK_BYTES: u64 = 1024 * 1024;

/// The start of a bare codestream, whose second marker is that of its size.
const CODESTREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut blocks = Blocks::default();
    let searched = parts(file, &mut blocks, warnings);
    warnings.unless_cut(searched)?;
    Ok(blocks)
}

fn parts<'a>(file: &'a FileView, blocks: &mut Blocks<'a>, warnings: &mut Warnings) -> Result<(), Missing> {
    if file.array(0)? == CODESTREAM {
        blocks.picture = codestream(file, 0)?;
        return Ok(());
    }
    let mut at = 0;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            return Ok(());
        }
        let found = FileBox::at(file, at)?;
        let length = found.body.end.min(file.size()) - found.body.start;
        match &found.kind {
            b"jp2h" if length <= MAX_BLOCK_BYTES => header(Reader(file.ahead(found.body.start, length)?), blocks),
            b"uuid" if length > ID_BYTES => identified(file, &found, blocks, warnings)?,
            // Metadata comes before the picture, which is usually the last box.
            b"jp2c" if blocks.exif.is_some() || !blocks.xmp.is_empty() => return Ok(()),
            _ => {}
        }
        at = found.body.end;
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(())
}

/// Adds a block with an identifier.
fn identified<'a>(
    file: &'a FileView,
    found: &FileBox,
    blocks: &mut Blocks<'a>,
    warnings: &mut Warnings,
) -> Result<(), Missing> {
    let id = file.array(found.body.start)?;
    let start = found.body.start + ID_BYTES;
    let length = found.body.end.min(file.size()).saturating_sub(start);
    match id {
        EXIF | PHOTOSHOP_EXIF if blocks.exif.is_none() => {
            let block = Block::at(file, start..found.body.end, warnings).without_id()?;
            blocks.exif = block.is_tiff()?.then_some(block);
        }
        XMP | IPTC | PHOTOSHOP if length > MAX_BLOCK_BYTES => {
            let name = if id == XMP { "XMP" } else { "IPTC" };
            warnings.omit(format!("{name}: {length} bytes"));
        }
        XMP => blocks.xmp.push(file.get(start, length)?.into()),
        IPTC => blocks.iptc = Some(file.get(start, length)?.into()),
        PHOTOSHOP => photoshop::add(file.get(start, length)?, blocks, warnings),
        _ => {}
    }
    Ok(())
}

/// The boxes of the header: size and depth, and a colour profile.
fn header<'a>(body: Reader<'a>, blocks: &mut Blocks<'a>) {
    for (kind, mut body) in body.boxes() {
        match kind {
            b"ihdr" => {
                if let (Some(height), Some(width), Some(_channels), Some(bits)) =
                    (body.number(4), body.number(4), body.number(2), body.number(1))
                {
                    blocks.picture = Picture {
                        // 255: it varies.
                        bit_depth: (bits != 255).then_some(u16::try_from(bits & 0x7F).unwrap_or_default() + 1),
                        ..Picture::sized(width, height)
                    };
                }
            }
            b"colr" if blocks.icc.is_none() => {
                // Method, precedence, approximation. 2 and 3 are profiles.
                if let Some([2 | 3, _, _]) = body.take(3) {
                    blocks.icc = Some(body.0.into());
                }
            }
            _ => {}
        }
    }
}

/// The size of a codestream that starts here: the reference grid less the offset of the image in it.
fn codestream(file: &FileView, at: u64) -> Result<Picture, Missing> {
    let sizes: [u8; 16] = file.array(at + 8)?;
    let number = |index: usize| {
        u64::from(u32::from_be_bytes([
            sizes[index],
            sizes[index + 1],
            sizes[index + 2],
            sizes[index + 3],
        ]))
    };
    let [bits] = file.array(at + 42)?;
    Ok(Picture {
        bit_depth: Some(u16::from(bits & 0x7F) + 1),
        ..Picture::sized(
            number(0).saturating_sub(number(8)),
            number(4).saturating_sub(number(12)),
        )
    })
}
