//! EXIF in a WebP: the `EXIF` chunk of an extended file, usually after the image data.
//!
//! Chunks and flags: RFC 9649, 2.3 to 2.7.

use crate::metadata::tiff::block::Block;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

/// The offset of the first chunk, after `RIFF`, the size and `WEBP`.
const FIRST_CHUNK: u64 = 12;

/// The bit in the first byte of a `VP8X` chunk that announces EXIF.
const EXIF_FLAG: u8 = 0x08;

pub fn find<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
    // A simple file has only image data.
    if &file.array(FIRST_CHUNK)? != b"VP8X" || file.array::<1>(FIRST_CHUNK + 8)?[0] & EXIF_FLAG == 0 {
        return Ok(None);
    }
    let mut at = FIRST_CHUNK;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            warnings.add("the header announces EXIF, but there is none");
            return Ok(None);
        }
        let [kind @ .., l0, l1, l2, l3] = file.array::<8>(at)?;
        let body = at + 8;
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        if &kind == b"EXIF" {
            let block = Block::at(file, body..body + length, warnings).without_id()?;
            if block.is_tiff()? {
                return Ok(Some(block));
            }
            warnings.add("an EXIF chunk without a TIFF header");
        }
        // Chunks are padded to an even length.
        at = body + length + length % 2;
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(None)
}
