//! WebP: chunks. Source: RFC 9649, 2.3 to 2.7.

use bytes::Bytes;

use super::pieces::Pieces;
use super::{Job, Stop, exif, xmp};
use crate::metadata::Picture;
use crate::metadata::containers::webp::{ALPHA, Chunk, EXIF, FIRST_CHUNK, XMP};
use crate::metadata::view::{FileView, MAX_STEPS, Missing};

/// The size of `ANMF` before the chunks of its frame.
const FRAME_HEADER: u64 = 16;

const RIFF_HEADER: usize = 8;

pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let file = job.file;
    let mut body = Pieces::default();
    let mut at = FIRST_CHUNK;
    let mut extended = None;
    let mut added = 0;
    let mut steps = 0;
    while let Some(chunk) = next(file, at)? {
        steps += 1;
        if steps > MAX_STEPS {
            return super::unsupported("the file has too many chunks");
        }
        at = chunk.end();
        match &chunk.kind {
            b"VP8X" if extended.is_none() && chunk.length == 10 => extended = Some(file.array::<10>(chunk.data)?),
            b"VP8 " | b"VP8L" | b"ALPH" | b"ICCP" | b"ANIM" => keep(&mut body, &chunk, file.size()),
            b"ANMF" => frame(&mut body, file, &chunk)?,
            b"EXIF" if !job.is_all() => {
                let data = data(file, &chunk)?;
                let block = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
                if let Some(block) = exif::without_places(block) {
                    added |= EXIF;
                    put(&mut body, *b"EXIF", &block);
                }
            }
            b"XMP " | b"XMP\0" if !job.is_all() => {
                if let Some(packet) = xmp::without_places(data(file, &chunk)?, None) {
                    added |= XMP;
                    put(&mut body, *b"XMP ", &packet);
                }
            }
            _ => {}
        }
    }
    if job.is_all() {
        added |= put_new(job, &mut body);
    }
    let mut head = Pieces::default();
    if extended.is_none() && added != 0 {
        // Only an extended file has metadata.
        extended = extended_header(&job.image);
        if extended.is_none() {
            return super::unsupported("a simple file whose size is not known");
        }
    }
    if let Some(mut header) = extended {
        header[0] = header[0] & !(EXIF | XMP) | added;
        put(&mut head, *b"VP8X", &header);
    }
    let length = u32::try_from(4 + head.length() + body.length());
    let Ok(length) = length else {
        return super::unsupported("more than 4 GiB");
    };
    let mut pieces = Pieces::default();
    pieces.put([&b"RIFF"[..], &length.to_le_bytes(), b"WEBP"].concat());
    pieces.append(head);
    pieces.append(body);
    Ok(pieces)
}

/// Writes the only metadata that the output has. Returns the flags that announce it.
fn put_new(job: &mut Job<'_>, body: &mut Pieces) -> u8 {
    let mut added = 0;
    if let Some(block) = &job.new.exif {
        added |= EXIF;
        put(body, *b"EXIF", block);
    }
    if !job.new.xmp.is_empty() {
        added |= XMP;
        put(body, *b"XMP ", &job.new.xmp);
    }
    if !job.new.iptc.is_empty() {
        job.warnings
            .push("IPTC is lost, because WebP has no place for it".to_owned());
    }
    added
}

/// The flags of a picture without metadata, and its width and height less 1 in three bytes each.
fn extended_header(image: &Picture) -> Option<[u8; 10]> {
    let side = |side: Option<u32>| Some(side?.checked_sub(1)?.to_le_bytes());
    let ([w0, w1, w2, _], [h0, h1, h2, _]) = (side(image.width)?, side(image.height)?);
    let flags = if image.has_alpha == Some(true) { ALPHA } else { 0 };
    Some([flags, 0, 0, 0, w0, w1, w2, h0, h1, h2])
}

/// The chunk at an offset. `None` at the end of the file.
fn next(file: &FileView, at: u64) -> Result<Option<Chunk>, Stop> {
    match Chunk::at(file, at) {
        Ok(chunk) => Ok(Some(chunk)),
        Err(Missing::PastEnd) => Ok(None),
        Err(unread) => Err(unread.into()),
    }
}

/// Keeps a chunk, which ends with what it is in at `limit`.
fn keep(pieces: &mut Pieces, chunk: &Chunk, limit: u64) {
    let before = pieces.length();
    pieces.keep(chunk.start()..(chunk.data + chunk.length).min(limit));
    pad(pieces, pieces.length() - before);
}

/// A frame of an animation, with its picture alone.
fn frame(pieces: &mut Pieces, file: &FileView, chunk: &Chunk) -> Result<(), Stop> {
    let end = (chunk.data + chunk.length).min(file.size());
    let mut inside = Pieces::default();
    let mut at = chunk.data + FRAME_HEADER;
    if at > end {
        return Ok(());
    }
    inside.keep(chunk.data..at);
    let mut steps = 0;
    while at + RIFF_HEADER as u64 <= end {
        steps += 1;
        if steps > MAX_STEPS {
            return super::unsupported("a frame has too many chunks");
        }
        let part = Chunk::at(file, at)?;
        if matches!(&part.kind, b"VP8 " | b"VP8L" | b"ALPH") {
            keep(&mut inside, &part, end);
        }
        at = part.end();
    }
    let length = u32::try_from(inside.length()).unwrap_or(u32::MAX);
    pieces.put([&b"ANMF"[..], &length.to_le_bytes()].concat());
    pieces.append(inside);
    Ok(())
}

fn data<'a>(file: &'a FileView, chunk: &Chunk) -> Result<&'a [u8], Stop> {
    let length = chunk.length.min(file.size().saturating_sub(chunk.data));
    Ok(file.get(chunk.data, length)?)
}

fn put(pieces: &mut Pieces, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    pieces.put(Bytes::from([&kind[..], &length.to_le_bytes(), data].concat()));
    pad(pieces, data.len() as u64);
}

/// Chunks are padded to an even length.
fn pad(pieces: &mut Pieces, length: u64) {
    pieces.zeros(length % 2);
}
