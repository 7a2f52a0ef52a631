//! RAW files in containers of their own: Fujifilm's RAF, Minolta's MRW, Sigma's X3F. Each holds a JPEG or a TIFF with EXIF.
//!
//! Sources: the descriptions of these formats in libopenraw (RAF), by D. Coffin and P. Harvey (MRW, RAF) and by Foveon (X3F).

use super::{jpeg, tiff};
use crate::metadata::blocks::Blocks;
use crate::metadata::format::Format;
use crate::metadata::picture::Picture;
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

/// Where a RAF says where its JPEG is.
const RAF_JPEG: u64 = 84;

/// The most parts that are looked at.
const MAX_PARTS: u32 = 256;

/// Sections of an X3F with a picture, and the kind of picture that is a JPEG.
const IMAGES: [[u8; 4]; 2] = [*b"IMAG", *b"IMA2"];
const X3F_JPEG: u32 = 18;
const X3F_IMAGE_HEADER: u64 = 28;

pub fn raf<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let [o0, o1, o2, o3, l0, l1, l2, l3] = file.array(RAF_JPEG)?;
    let start = u64::from(u32::from_be_bytes([o0, o1, o2, o3]));
    let length = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
    embedded(file, start, length, warnings)
}

/// The blocks of an embedded JPEG, which is a smaller picture.
fn embedded<'a>(file: &'a FileView, start: u64, length: u64, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let end = start.saturating_add(length).min(file.size());
    if start >= end {
        warnings.add("its JPEG lies outside the file");
        return Ok(Blocks::default());
    }
    let blocks = jpeg::walk(file, start..end, warnings)?;
    Ok(Blocks {
        picture: Picture::default(),
        ..blocks
    })
}

/// A header, and blocks with a name and a length. One of them is a TIFF.
pub fn mrw<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let end = 8 + u64::from(u32::from_be_bytes(file.array(4)?));
    let mut at = 8;
    for _ in 0..MAX_PARTS {
        if at >= end {
            break;
        }
        let [n0, n1, n2, n3, l0, l1, l2, l3] = file.array(at)?;
        let (start, length) = (at + 8, u64::from(u32::from_be_bytes([l0, l1, l2, l3])));
        if [n0, n1, n2, n3] == *b"\0TTW" {
            return tiff::walk(file, start..start + length, Format::Mrw, warnings);
        }
        at = start + length;
    }
    Ok(Blocks::default())
}

/// A directory at the end, which the last bytes name. One of its sections is a JPEG.
pub fn x3f<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let end = file.size().saturating_sub(4);
    let directory = u64::from(u32::from_le_bytes(*file.get(end, 4)?.first_chunk().unwrap_or(&[0; 4])));
    let header: [u8; 12] = file.array(directory)?;
    if !header.starts_with(b"SECd") {
        warnings.add("its directory is damaged");
        return Ok(Blocks::default());
    }
    let count = u32::from_le_bytes([header[8], header[9], header[10], header[11]]).min(MAX_PARTS);
    for index in 0..u64::from(count) {
        let [o0, o1, o2, o3, l0, l1, l2, l3, kind @ ..] = file.array::<12>(directory + 12 + 12 * index)?;
        let start = u64::from(u32::from_le_bytes([o0, o1, o2, o3]));
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        if !IMAGES.contains(&kind) || length <= X3F_IMAGE_HEADER {
            continue;
        }
        let format = u32::from_le_bytes(file.array(start + 12)?);
        if format == X3F_JPEG {
            let blocks = embedded(file, start + X3F_IMAGE_HEADER, length - X3F_IMAGE_HEADER, warnings)?;
            if blocks.exif.is_some() || !blocks.xmp.is_empty() {
                return Ok(blocks);
            }
        }
    }
    Ok(Blocks::default())
}
