//! EXIF in HEIF, HEIC and AVIF: an item of type `Exif`, which the `meta` box describes.
//!
//! Sources: ISO/IEC 14496-12, 4.2 and 8.11, for boxes and items; ISO/IEC 23008-12, annex A, for EXIF items.

use std::ops::Range;

use bytes::BytesMut;

use super::iso_box::{FileBox, Reader};
use crate::metadata::tiff::block::{Block, is_tiff};
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

/// How much of an EXIF item is read at once. The rest of a longer item is read only as far as its values need it.
const MAX_READ_BYTES: u64 = 1024 * 1024;

/// The longest item in several pieces that is read.
const MAX_JOINED_BYTES: u64 = 1024 * 1024;
const MAX_EXTENTS: u64 = 64;

/// The most EXIF items that are considered.
const MAX_ITEMS: usize = 64;

pub fn find<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Option<Block<'a>>, Missing> {
    let mut at = 0;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            return Ok(None);
        }
        let found = FileBox::at(file, at)?;
        if &found.kind == b"meta" {
            let bytes = file.get(found.body.start, found.body.end.min(file.size()) - found.body.start)?;
            let meta = Meta {
                bytes,
                start: found.body.start,
            };
            let Some(location) = meta.exif(warnings) else {
                return Ok(None);
            };
            return Ok(Some(block(file, &location, warnings)?));
        }
        at = found.body.end;
    }
    warnings.add(TOO_MANY_STEPS);
    Ok(None)
}

/// The EXIF block of an item, which lies in these pieces.
fn block<'a>(file: &'a FileView, pieces: &[Range<u64>], warnings: &mut Warnings) -> Result<Block<'a>, Missing> {
    let block = if let [piece] = pieces {
        let block = Block::at(file, piece.clone(), warnings);
        // The item is asked for as a whole. Otherwise, its tables would be asked for one after the other.
        block.get(0, block.length().min(MAX_READ_BYTES))?;
        block
    } else {
        let lengths = pieces.iter().map(|piece| piece.end - piece.start);
        let length = lengths.fold(0, u64::saturating_add);
        let mut joined = BytesMut::new();
        if length > MAX_JOINED_BYTES.min(file.size()) {
            warnings.add(format!("EXIF: {length} bytes in several pieces left out"));
        } else {
            for piece in pieces {
                joined.extend_from_slice(file.get(piece.start, piece.end - piece.start)?);
            }
        }
        Block::owned(joined.freeze())
    };
    // The first four bytes say how far behind them the TIFF block starts. Some writers leave them out.
    let offset = match block.array(0) {
        Ok(offset) => offset,
        Err(Missing::PastEnd) => return Ok(block),
        Err(unread) => return Err(unread),
    };
    if is_tiff(offset) {
        return Ok(block);
    }
    let announced = block.clone().skip(4 + u64::from(u32::from_be_bytes(offset)));
    if announced.is_tiff()? {
        return Ok(announced);
    }
    block.skip(4).without_id()
}

/// The content of a `meta` box.
struct Meta<'a> {
    bytes: &'a [u8],
    /// The offset of this content in the file.
    start: u64,
}

impl Meta<'_> {
    /// Where the EXIF of the primary item lies.
    fn exif(&self, warnings: &mut Warnings) -> Option<Vec<Range<u64>>> {
        let mut inside = Reader(self.bytes);
        inside.take(4)?;
        let (mut primary, mut items, mut links, mut places, mut data) = (None, None, None, None, None);
        while let Some((kind, body)) = inside.next_box() {
            match kind {
                b"pitm" => primary = primary_item(body),
                b"iinf" => items = Some(body),
                b"iref" => links = Some(body),
                b"iloc" => places = Some(body),
                b"idat" => {
                    let end = self.start + (self.bytes.len() - inside.0.len()) as u64;
                    data = Some(end - body.0.len() as u64..end);
                }
                _ => {}
            }
        }
        let items = exif_items(items?);
        let linked = links.and_then(|links| describes(links, &items, primary?));
        let item = linked.or(items.first().copied())?;
        let place = places.and_then(|places| place(places, item, data.as_ref()));
        if place.is_none() {
            warnings.add("EXIF: the file does not say where it is");
        }
        place
    }
}

fn primary_item(mut body: Reader) -> Option<u32> {
    let version = body.full_box()?;
    if version == 0 { body.number(2) } else { body.number(4) }?
        .try_into()
        .ok()
}

/// The items that hold EXIF, in the order of the file.
fn exif_items(mut body: Reader) -> Vec<u32> {
    let mut items = Vec::new();
    let version = body.full_box();
    body.number(if version == Some(0) { 2 } else { 4 });
    for (kind, mut entry) in body.boxes() {
        if kind != b"infe" {
            continue;
        }
        // Versions 0 and 1 have no item types.
        let Some(version @ 2..) = entry.full_box() else {
            continue;
        };
        let id = entry.number(if version == 2 { 2 } else { 4 });
        let _protection = entry.number(2);
        if entry.take(4) == Some(b"Exif")
            && let Some(id) = id.and_then(|id| id.try_into().ok())
        {
            items.push(id);
            if items.len() == MAX_ITEMS {
                break;
            }
        }
    }
    items
}

/// The first of these items with a content description reference to the primary item.
fn describes(mut body: Reader, items: &[u32], primary: u32) -> Option<u32> {
    let width = if body.full_box()? == 0 { 2 } else { 4 };
    let describing = body.boxes().filter_map(|(kind, mut link)| {
        let from = u32::try_from(link.number(width)?).ok()?;
        let is_one = kind == b"cdsc" && items.contains(&from);
        let count = link.number(2).filter(|_| is_one)?;
        let mut to = (0..count).map_while(|_| link.number(width));
        to.any(|id| id == u64::from(primary)).then_some(from)
    });
    let describing: Vec<u32> = describing.take(MAX_ITEMS).collect();
    items.iter().copied().find(|item| describing.contains(item))
}

/// The pieces of an item, from the `iloc` box. `data` is the range of the `idat` box's content.
fn place(mut body: Reader, item: u32, data: Option<&Range<u64>>) -> Option<Vec<Range<u64>>> {
    let version = body.full_box()?;
    let sizes = body.number(2)?;
    let width = |shift: u32| (sizes >> shift & 0xF) as usize;
    let (offset_width, length_width, base_width) = (width(12), width(8), width(4));
    let index_width = if version == 0 { 0 } else { width(0) };
    let id_width = if version < 2 { 2 } else { 4 };
    let count = body.number(id_width)?;
    for _ in 0..count {
        let id = body.number(id_width)?;
        let method = if version == 0 { 0 } else { body.number(2)? & 0xF };
        let _data_reference = body.number(2)?;
        let base = body.number(base_width)?;
        let extents = body.number(2)?;
        if id != u64::from(item) {
            let extent_width = index_width + offset_width + length_width;
            body.take(usize::try_from(extents).ok()? * extent_width)?;
            continue;
        }
        // Method 0: offsets are in the file. 1: in the `idat` box. 2: in other items, which no writer uses for EXIF.
        let within = match method {
            0 => 0..u64::MAX,
            1 => data.cloned()?,
            _ => return None,
        };
        if extents > MAX_EXTENTS {
            return None;
        }
        let mut pieces = Vec::new();
        for _ in 0..extents {
            let _index = body.number(index_width)?;
            let offset = body.number(offset_width)?;
            let length = body.number(length_width)?;
            let start = within.start.checked_add(base)?.checked_add(offset)?;
            let end = start.checked_add(length)?;
            if start > within.end || end > within.end {
                return None;
            }
            pieces.push(start..end);
        }
        return Some(pieces);
    }
    None
}
