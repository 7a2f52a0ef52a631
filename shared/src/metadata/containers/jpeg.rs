//! EXIF in a JPEG: an APP1 segment that starts with `Exif\0\0`, anywhere before the image data.

use crate::metadata::tiff::block::{Block, is_tiff};
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

/// ITU-T T.81, table B.1.
const TEM: u8 = 0x01;
const RST0: u8 = 0xD0;
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP1: u8 = 0xE1;

/// CIPA DC-008 (Exif 2.32), 4.7.2: the identifier, a NUL and a pad byte. Some real files have the identifier in
/// capitals, or another pad byte.
const EXIF_ID: &[u8] = b"Exif\0";

/// Walks the segments up to the image data.
pub fn find<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
    let mut at = 2;
    for _ in 0..MAX_STEPS {
        let [0xFF, marker @ ..=0xFE] = file.array(at)? else {
            // T.81, B.1.1.2: fill bytes may come before a marker. Anything else is damage.
            at += 1;
            continue;
        };
        at += 2;
        match marker {
            0 | TEM | RST0..=SOI => continue,
            SOS | EOI => return Ok(None),
            _ => {}
        }
        // The length counts its own two bytes.
        let length = u64::from(u16::from_be_bytes(file.array(at)?)).max(2);
        let segment = at + 2..at + length;
        if marker == APP1
            && let Some(start) = exif(file, segment.start, length - 2, warnings)?
        {
            return Ok(Some(Block::at(file, start..segment.end, warnings)));
        }
        at = segment.end;
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(None)
}

/// Where the TIFF block of an APP1 segment starts. `None` if the segment does not hold EXIF.
fn exif(file: &FileView, start: u64, length: u64, warnings: &mut Warnings) -> Result<Option<u64>, Missing> {
    let id = EXIF_ID.len() as u64 + 1;
    if length < id || !file.ahead(start, id)?[..EXIF_ID.len()].eq_ignore_ascii_case(EXIF_ID) {
        return Ok(None);
    }
    if length > id + 4 && is_tiff(file.array(start + id)?) {
        return Ok(Some(start + id));
    }
    warnings.add("an EXIF segment without a TIFF header");
    Ok(None)
}
