//! HEIF, HEIC and AVIF, in place: what is removed becomes zeros, so that all offsets stay the same.
//!
//! Sources: ISO/IEC 14496-12, 8.11, for items, and 8.4 to 8.7 for tracks; ISO/IEC 23008-12, 6, for pictures.
//!
//! | module | what it holds |
//! |---|---|
//! | [`meta`] | the box that describes items, read and written again |
//! | [`items`] | which items stay, and their bytes |
//! | [`tracks`] | sequences of pictures |

mod items;
mod meta;
mod tracks;

use std::ops::Range;

use super::overlay::Overlay;
use super::pieces::Pieces;
use super::{Job, Stop, unsupported};
use crate::metadata::containers::iso_box::FileBox;
use crate::metadata::view::{FileView, MAX_STEPS, Missing};
use meta::Meta;

/// A larger list of pictures is not read.
const MAX_META_BYTES: u64 = 16 * 1024 * 1024;

/// A box of the file.
struct Part {
    kind: [u8; 4],
    whole: Range<u64>,
    body: Range<u64>,
}

impl Part {
    /// The start of the box, with its size in bytes.
    fn sized_head(&self) -> Vec<u8> {
        let size = self.whole.end - self.whole.start;
        let is_long = self.body.start - self.whole.start > 8;
        match u32::try_from(size) {
            Ok(size) if !is_long => [size.to_be_bytes(), self.kind].concat(),
            _ => [&1_u32.to_be_bytes()[..], &self.kind, &size.to_be_bytes()].concat(),
        }
    }
}

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let file = job.file;
    let parts = parts(file)?;
    let mut out = Overlay::default();
    // What is added behind the end.
    let mut added = Vec::new();
    let mut has_pictures = false;
    let last = parts.iter().rposition(|part| is_kept(part.kind)).unwrap_or(0);
    let end = parts.get(last).map_or(0, |part| part.whole.end);
    for part in parts.iter().take(last + 1) {
        out.keep(part.whole.start..part.body.start);
        match &part.kind {
            b"ftyp" => out.keep(part.body.clone()),
            b"meta" if !has_pictures => {
                has_pictures = true;
                let bytes = bytes(file, part)?;
                let Some(mut meta) = Meta::read(bytes, part.body.start) else {
                    return unsupported("the list of pictures is damaged");
                };
                added = items::choose(job, &mut meta, &mut out, end)?;
                let Some(meta) = meta.write(bytes.len()) else {
                    return unsupported("the list of pictures has no room for its changes");
                };
                out.put(part.body.start, meta);
            }
            b"moov" => {
                let Some(tracks) = tracks::write(bytes(file, part)?, job.is_all(), &mut out) else {
                    return unsupported("a sequence of pictures that is damaged");
                };
                out.put(part.body.start, tracks);
            }
            // The pictures, which items and tracks name.
            b"mdat" => {}
            _ => out.put(part.whole.start + 4, &b"free"[..]),
        }
    }
    if !has_pictures {
        return unsupported("a file without a list of its pictures, or with a minimized one");
    }
    if let Some(last) = parts.get(last).filter(|_| !added.is_empty()) {
        // It may have no size, or may be cut. More comes behind it here.
        out.put(last.whole.start, last.sized_head());
    }
    let mut pieces = out.into_pieces(file.size(), end);
    pieces.put(added);
    Ok(pieces)
}

fn is_kept(kind: [u8; 4]) -> bool {
    matches!(&kind, b"ftyp" | b"meta" | b"moov" | b"mdat")
}

fn bytes<'a>(file: &'a FileView, part: &Part) -> Result<&'a [u8], Stop> {
    let length = part.body.end - part.body.start;
    if length > MAX_META_BYTES {
        return unsupported("the list of pictures is too large");
    }
    Ok(file.get(part.body.start, length)?)
}

fn parts(file: &FileView) -> Result<Vec<Part>, Stop> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < file.size() {
        let found = match FileBox::at(file, at) {
            Ok(found) => found,
            Err(Missing::PastEnd) => break,
            Err(unread) => return Err(unread.into()),
        };
        let end = found.body.end.min(file.size());
        parts.push(Part {
            kind: found.kind,
            whole: at..end,
            body: found.body.start.min(end)..end,
        });
        at = found.body.end;
        if parts.len() == MAX_STEPS {
            return unsupported("the file has too many boxes");
        }
    }
    Ok(parts)
}
