//! GIF: the screen, frames, and extensions. Source: the specification of `GIF89a`.

use std::ops::Range;

use super::pieces::Pieces;
use super::{Job, Stop, unsupported, xmp};
use crate::metadata::containers::gif::{Part, XMP_TRAILER_BYTES, parts};
use crate::metadata::view::Missing;

/// The ids of application extensions that show the picture: how often it is repeated, and its colour profile.
const PICTURE: [&[u8]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];
const XMP: &[u8] = b"XMP DataXMP";

const TRAILER: &[u8] = b";";

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let file = job.file;
    let mut pieces = Pieces::default();
    // What controls the next picture. A picture that is left out has none.
    let mut control: Option<Range<u64>> = None;
    let mut walk = parts(file)?;
    if walk.at() > file.size() {
        return unsupported("a GIF without a picture");
    }
    pieces.keep(0..walk.at());
    loop {
        let part = match walk.next() {
            Ok(Some(part)) => part,
            // The file ends without a trailer.
            Ok(None) | Err(Missing::PastEnd) => break,
            Err(unread) => return Err(unread.into()),
        };
        match part {
            Part::Picture(range) => {
                if let Some(control) = control.take() {
                    pieces.keep(control);
                }
                pieces.keep(range);
            }
            Part::Control(range) => control = Some(range),
            Part::Comment(range) if !job.is_all() => pieces.keep(range),
            Part::Application { id, content, range } => {
                if PICTURE.contains(&id) {
                    pieces.keep(range);
                } else if id == XMP && !job.is_all() {
                    let bytes = file.get(content.start, content.end - content.start)?;
                    let Some(length) = bytes.len().checked_sub(XMP_TRAILER_BYTES + 1) else {
                        continue;
                    };
                    if let Some(packet) = xmp::without_places(&bytes[..length], None) {
                        pieces.keep(range.start..content.start);
                        pieces.put(packet);
                        pieces.keep(content.start + length as u64..range.end);
                    }
                }
            }
            Part::Comment(_) | Part::Padding => {}
            // A text, which is drawn into a picture of its own.
            Part::Other => control = None,
        }
    }
    if walk.is_cut() {
        return unsupported("the file has too many parts");
    }
    if !job.new.xmp.is_empty() {
        pieces.put(extension(&job.new.xmp));
    }
    if !job.new.iptc.is_empty() {
        job.warnings
            .push("the copyright in IPTC is lost, because GIF has no place for it".to_owned());
    }
    pieces.put(TRAILER);
    if pieces.length() < 14 {
        return unsupported("a GIF without a picture");
    }
    Ok(pieces)
}

/// An application extension with XMP. Behind the packet, bytes that lead readers of sub-blocks to its end (XMP specification
/// part 3, 1.1.2).
fn extension(packet: &[u8]) -> Vec<u8> {
    let mut out = b"\x21\xFF\x0B".to_vec();
    out.extend_from_slice(XMP);
    out.extend_from_slice(packet);
    out.push(1);
    out.extend((0..=255).rev());
    out.push(0);
    out
}
