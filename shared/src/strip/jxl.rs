//! JPEG XL: boxes. A bare codestream holds nothing but the picture. Source: ISO/IEC 18181-2.

use super::pieces::Pieces;
use super::{Job, Stop, exif, xmp};
use crate::metadata::containers::iso_box::FileBox;
use crate::metadata::containers::jxl::CODESTREAM;
use crate::metadata::containers::unpack;
use crate::metadata::view::{FileView, MAX_STEPS, Missing};

/// What is needed to show the picture: the signature, the brands, the level, the codestream, the index of its frames, and a
/// gain map. The data to make the original JPEG again holds the segments of that JPEG, and is left out.
const PICTURE: [&[u8; 4]; 7] = [b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp", b"jxli", b"jhgm"];

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let file = job.file;
    let mut pieces = Pieces::default();
    if file.array(0)? == CODESTREAM {
        pieces.keep(0..file.size());
        if !job.new.is_empty() {
            job.warnings
                .push("a bare codestream has no place for a copyright".to_owned());
        }
        return Ok(pieces);
    }
    let mut at = 0;
    for _ in 0..MAX_STEPS {
        if at >= file.size() {
            add_copyright(job, &mut pieces);
            return Ok(pieces);
        }
        let found = match FileBox::at(file, at) {
            Ok(found) => found,
            Err(Missing::PastEnd) => return Ok(pieces),
            Err(unread) => return Err(unread.into()),
        };
        let end = found.body.end.min(file.size());
        if PICTURE.contains(&&found.kind) {
            // The last box may have no size, or may be cut. More boxes may come behind it here.
            if found.body.end >= file.size() {
                put_head(&mut pieces, found.kind, end - found.body.start);
                pieces.keep(found.body.start..end);
            } else {
                pieces.keep(at..end);
            }
        } else if !job.is_all()
            && let Some((kind, content)) = without_places(file, &found)?
        {
            put_head(&mut pieces, kind, content.len() as u64);
            pieces.put(content);
        }
        at = found.body.end;
    }
    super::unsupported("the file has too many boxes")
}

/// A type and a content.
type NewBox = ([u8; 4], Vec<u8>);

/// The content of a box without places, and the type of the box. `None` if nothing of it stays.
fn without_places(file: &FileView, found: &FileBox) -> Result<Option<NewBox>, Stop> {
    if !matches!(&found.kind, b"Exif" | b"xml " | b"brob") {
        return Ok(None);
    }
    let bytes = file.get(found.body.start, found.body.end.min(file.size()) - found.body.start)?;
    let (kind, unpacked);
    let content = if &found.kind == b"brob" {
        let Some((first, packed)) = bytes.split_first_chunk::<4>() else {
            return Ok(None);
        };
        // Packed boxes become plain ones.
        (kind, unpacked) = (*first, unpack::brotli(packed));
        if unpacked.len() as u64 == unpack::MAX_BYTES {
            return super::unsupported("a packed box is too large");
        }
        &unpacked[..]
    } else {
        kind = found.kind;
        bytes
    };
    Ok(match &kind {
        b"Exif" => exif_box(content),
        b"xml " => xmp::without_places(content, None),
        _ => None,
    }
    .map(|content| (kind, content)))
}

/// The first four bytes say how far behind them the TIFF block starts.
fn exif_box(content: &[u8]) -> Option<Vec<u8>> {
    let (offset, rest) = content.split_first_chunk::<4>()?;
    let block = rest.get(usize::try_from(u32::from_be_bytes(*offset)).ok()?..)?;
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    Some([&[0; 4], &exif::without_places(block)?[..]].concat())
}

/// The orientation is in the codestream.
fn add_copyright(job: &mut Job<'_>, pieces: &mut Pieces) {
    if let Some(block) = &job.new.exif {
        put_head(pieces, *b"Exif", 4 + block.len() as u64);
        pieces.zeros(4);
        pieces.put(block.clone());
    }
    if !job.new.xmp.is_empty() {
        put_head(pieces, *b"xml ", job.new.xmp.len() as u64);
        pieces.put(job.new.xmp.clone());
    }
    if !job.new.iptc.is_empty() {
        job.warnings
            .push("the copyright in IPTC is lost, because JPEG XL has no place for it".to_owned());
    }
}

fn put_head(pieces: &mut Pieces, kind: [u8; 4], length: u64) {
    match u32::try_from(length + 8) {
        Ok(size) => pieces.put([size.to_be_bytes(), kind].concat()),
        Err(_) => pieces.put([&1_u32.to_be_bytes()[..], &kind, &(length + 16).to_be_bytes()].concat()),
    }
}
