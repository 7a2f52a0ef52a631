//! EXIF blocks without places, and blocks that hold the orientation and the copyright alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`table`](mod@table) | new tables |

pub mod table;

use bytes::Bytes;

use super::tables::{self, Fate};
use super::{Rights, iptc, xmp};
use crate::metadata::tiff::kind::{ASCII, SHORT};
use crate::metadata::tiff::order::Order;
use crate::metadata::view::FileView;
use table::{Field, Table};

const ORIENTATION: u16 = 0x0112;
const ARTIST: u16 = 0x013B;
const COPYRIGHT: u16 = 0x8298;

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
    let fields = fields.into_iter().flatten();
    let fields = fields.map(|(tag, kind, value)| Field { tag, kind, value });
    let main = Table {
        fields: fields.collect(),
        below: Vec::new(),
    };
    (!main.fields.is_empty()).then(|| table::write(Order::Little, &main, None))
}
