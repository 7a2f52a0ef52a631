//! EXIF blocks without places, and blocks that hold the orientation and the copyright alone.

use bytes::Bytes;

use super::tables::{self, Fate};
use super::{Rights, iptc, xmp};
use crate::metadata::view::FileView;

const ORIENTATION: u16 = 0x0112;
const ARTIST: u16 = 0x013B;
const COPYRIGHT: u16 = 0x8298;

const SHORT: u16 = 3;
const ASCII: u16 = 2;

/// A block without places. Its offsets stay the same. `None` if it cannot be read.
pub fn without_places(block: &[u8]) -> Option<Vec<u8>> {
    let file = FileView::whole(Bytes::copy_from_slice(block));
    let pieces = tables::without_places(&file, cleaned).ok()?;
    Some(pieces.of(block))
}

/// What becomes of a block or a description in a table, without places. An EXIF block has no resources of Photoshop; those of a
/// hostile one could hold another block, and so on.
pub fn cleaned(tag: u16, bytes: &[u8]) -> Fate {
    match tag {
        tables::XMP => xmp::without_places(bytes, None).map_or(Fate::Removed, Fate::Replaced),
        tables::IPTC if iptc::is_block(bytes) => Fate::Replaced(iptc::without_places(bytes)),
        tables::IMAGE_DESCRIPTION if !is_of_mapillary(bytes) => Fate::Kept,
        _ => Fate::Removed,
    }
}

/// Whether a description is JSON of Mapillary's apps, which has the place.
fn is_of_mapillary(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    text.first() == Some(&b'{') && memchr::memmem::find(text, b"\"MAP").is_some()
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
