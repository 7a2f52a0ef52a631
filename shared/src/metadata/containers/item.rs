//! The bytes of an item of HEIF, which lie in pieces of the file.

use std::borrow::Cow;
use std::ops::Range;

use crate::metadata::tiff::block::{Block, is_tiff};
use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

/// How much of an EXIF item is read at once. The rest of a longer item is read only as far as its values need it.
const MAX_READ_BYTES: u64 = 1024 * 1024;

/// The longest item in several pieces that is read.
const MAX_JOINED_BYTES: u64 = 1024 * 1024;

/// The bytes of an item, which lies in these pieces. `None` if there are too many of them.
pub fn joined<'a>(
    file: &'a FileView,
    pieces: &[Range<u64>],
    what: &str,
    warnings: &mut Warnings,
) -> Result<Option<Cow<'a, [u8]>>, Missing> {
    let lengths = pieces.iter().map(|piece| piece.end - piece.start);
    let length = lengths.fold(0, u64::saturating_add);
    if length > MAX_JOINED_BYTES.min(file.size()) {
        warnings.omit(format!("{what}: {length} bytes"));
        return Ok(None);
    }
    if let [piece] = pieces {
        return Ok(Some(file.get(piece.start, piece.end - piece.start)?.into()));
    }
    let mut joined = Vec::new();
    for piece in pieces {
        joined.extend_from_slice(file.get(piece.start, piece.end - piece.start)?);
    }
    Ok(Some(joined.into()))
}

/// The EXIF block of an item, which lies in these pieces.
pub fn block<'a>(file: &'a FileView, pieces: &[Range<u64>], warnings: &mut Warnings) -> Result<Block<'a>, Missing> {
    let block = if let [piece] = pieces {
        let block = Block::at(file, piece.clone(), warnings);
        // The item is asked for as a whole. Otherwise, its tables would be asked for one after the other.
        block.get(0, block.length().min(MAX_READ_BYTES))?;
        block
    } else {
        let bytes = joined(file, pieces, "EXIF", warnings)?.unwrap_or_default();
        Block::owned(bytes.into_owned().into())
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
