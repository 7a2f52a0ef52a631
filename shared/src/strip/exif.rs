//! EXIF blocks without places, and blocks that hold the orientation and the copyright alone.

use bytes::Bytes;

use super::{Rights, tiff};
use crate::metadata::containers::jpeg::marker::{APP0, APP13, APP14, APP15, COM, EOI, Markers, SOS};
use crate::metadata::view::{FileView, Missing};

const ORIENTATION: u16 = 0x0112;
const ARTIST: u16 = 0x013B;
const COPYRIGHT: u16 = 0x8298;

/// In a segment of its own.
const ADOBE_CM: &[u8] = b"Adobe_CM";

const SHORT: u16 = 3;
const ASCII: u16 = 2;

/// A block without places. Its offsets stay the same. `None` if it cannot be read.
pub fn without_places(block: &[u8]) -> Option<Vec<u8>> {
    let file = FileView::whole(Bytes::copy_from_slice(block));
    let pieces = tiff::without_places(&file).ok()?;
    Some(pieces.of(block))
}

/// A block with the orientation and the copyright. `None` if there is nothing to hold.
pub fn block(orientation: Option<u16>, rights: &Rights) -> Option<Vec<u8>> {
    // Photographer, NUL, editor, NUL.
    let text = |text: &str| [text.replace('\n', "\0").as_bytes(), &[0]].concat();
    let fields = [
        orientation.map(|value| (ORIENTATION, SHORT, value.to_le_bytes().to_vec())),
        rights.artist.as_deref().map(|artist| (ARTIST, ASCII, text(artist))),
        rights.copyright.as_deref().map(|whose| (COPYRIGHT, ASCII, text(whose))),
    ];
    let fields: Vec<_> = fields.into_iter().flatten().collect();
    if fields.is_empty() {
        return None;
    }
    let mut block = b"II*\0\x08\0\0\0".to_vec();
    block.extend(u16::try_from(fields.len()).ok()?.to_le_bytes());
    let mut values = Vec::new();
    let values_start = block.len() + 12 * fields.len() + 4;
    for (tag, kind, mut value) in fields {
        let count = value.len() / if kind == SHORT { 2 } else { 1 };
        block.extend(tag.to_le_bytes());
        block.extend(kind.to_le_bytes());
        block.extend(u32::try_from(count).ok()?.to_le_bytes());
        if value.len() <= 4 {
            value.resize(4, 0);
            block.extend(value);
        } else {
            block.extend(u32::try_from(values_start + values.len()).ok()?.to_le_bytes());
            value.resize(value.len().next_multiple_of(2), 0);
            values.extend(value);
        }
    }
    block.extend([0; 4]);
    block.extend(values);
    Some(block)
}

/// Whether a JPEG, such as a thumbnail or a strip of a TIFF, holds anything but a picture.
pub fn has_metadata(jpeg: &[u8]) -> bool {
    let file = FileView::whole(Bytes::copy_from_slice(jpeg));
    // What ends before its picture holds none either.
    found_metadata(&file).unwrap_or(false)
}

fn found_metadata(file: &FileView) -> Result<bool, Missing> {
    let mut markers = Markers::new(file, 2);
    while let Some(marker) = markers.next()? {
        match marker.code {
            SOS | EOI => return Ok(false),
            _ if marker.is_alone() => {}
            APP0 | APP14 => {
                markers.content(marker)?;
            }
            // How Photoshop marks its thumbnails.
            APP13 => {
                let content = markers.content(marker)?;
                if file.get(content.start, (content.end - content.start).min(8))? != ADOBE_CM {
                    return Ok(true);
                }
            }
            APP0..=APP15 | COM => return Ok(true),
            _ => {
                markers.content(marker)?;
            }
        }
    }
    Ok(false)
}
