use std::ops::Range;

use super::super::overlay::Overlay;
use crate::metadata::containers::iso_box::Reader;

/// Boxes that hold others.
const PARENTS: [&[u8; 4]; 6] = [b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"];

/// Boxes of a track that are needed to show its pictures. The rest holds texts, or other metadata.
const NEEDED: [&[u8; 4]; 19] = [
    b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"vmhd", b"nmhd", b"tref", b"elst", b"dref", b"stsd", b"stts", b"ctts",
    b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"stss", b"sdtp",
];
const GROUPS: [&[u8; 4]; 4] = [b"sgpd", b"sbgp", b"mvex", b"trex"];

/// The handlers of tracks with pictures.
const HANDLERS: [&[u8; 4]; 3] = [b"pict", b"auxv", b"vide"];

/// Where the name of a handler starts, and that of a coder in the entry of a sample with its box.
const HANDLER_NAME: usize = 24;
const CODER_NAME: Range<usize> = 50..82;

/// The most samples of a track.
const MAX_SAMPLES: u64 = 1024 * 1024;

/// The content of a `moov` box, with the same length: times are zero, tracks without pictures and texts are free boxes. The
/// samples of the others are kept. `None` if it is damaged.
pub fn write(moov: &[u8], is_all: bool, out: &mut Overlay) -> Option<Vec<u8>> {
    let mut written = moov.to_vec();
    let mut walk = Walk {
        is_all,
        out,
        written: &mut written,
    };
    walk.boxes(moov, 0)?;
    Some(written)
}

struct Walk<'o, 'w> {
    is_all: bool,
    out: &'o mut Overlay,
    written: &'w mut Vec<u8>,
}

impl Walk<'_, '_> {
    /// Boxes that start at this offset of the content.
    fn boxes(&mut self, bytes: &[u8], start: usize) -> Option<()> {
        let mut inside = Reader(bytes);
        while !inside.0.is_empty() {
            let at = start + (bytes.len() - inside.0.len());
            let (kind, body) = inside.next_box()?;
            let end = start + (bytes.len() - inside.0.len());
            let body_at = end - body.0.len();
            match kind {
                b"trak" if !has_pictures(body) => self.free(at, body_at, end),
                b"trak" => {
                    self.samples(body)?;
                    self.boxes(body.0, body_at)?;
                }
                _ if PARENTS.contains(&kind) || kind == b"mvex" => self.boxes(body.0, body_at)?,
                b"mvhd" | b"tkhd" | b"mdhd" if self.is_all => {
                    // A version and flags, then the times of creation and change.
                    let width = if *body.0.first()? == 1 { 16 } else { 8 };
                    self.written.get_mut(body_at + 4..body_at + 4 + width)?.fill(0);
                }
                b"hdlr" if self.is_all => self.written.get_mut(body_at + HANDLER_NAME..end)?.fill(0),
                b"stsd" if self.is_all => self.entries(body, body_at)?,
                _ if NEEDED.contains(&kind) || GROUPS.contains(&kind) => {}
                _ => self.free(at, body_at, end),
            }
        }
        Some(())
    }

    fn free(&mut self, at: usize, body: usize, end: usize) {
        self.written[at + 4..at + 8].copy_from_slice(b"free");
        self.written[body..end].fill(0);
    }

    /// Removes the names of coders.
    fn entries(&mut self, mut body: Reader<'_>, start: usize) -> Option<()> {
        let length = body.0.len();
        body.take(8)?;
        while let Some((_, entry)) = body.next_box() {
            let end = start + length - body.0.len();
            let at = end - entry.0.len() - 8;
            self.written
                .get_mut(at + CODER_NAME.start..(at + CODER_NAME.end).min(end))?
                .fill(0);
        }
        Some(())
    }

    /// Keeps the bytes of all samples of a track.
    fn samples(&mut self, track: Reader<'_>) -> Option<()> {
        let table = find(find(find(track, *b"mdia")?, *b"minf")?, *b"stbl")?;
        let sizes = sizes(table)?;
        let chunks = chunks(table)?;
        let mut rows = find(table, *b"stsc")?;
        rows.full_box()?;
        // The first chunk, the number of samples in each, and the number of an entry.
        let count = rows.number(4)?;
        let rows: Option<Vec<(u64, u64)>> = (0..count.min(MAX_SAMPLES))
            .map(|_| {
                let row = (rows.number(4)?, rows.number(4)?);
                rows.number(4)?;
                Some(row)
            })
            .collect();
        let rows = rows?;
        let mut sizes = sizes.into_iter();
        for (index, chunk) in chunks.into_iter().enumerate() {
            let number = index as u64 + 1;
            let (_, samples) = rows.iter().rev().find(|(first, _)| *first <= number)?;
            let length: u64 = sizes.by_ref().take(usize::try_from(*samples).ok()?).sum();
            self.out.keep(chunk..chunk.checked_add(length)?);
        }
        Some(())
    }
}

fn find(within: Reader<'_>, kind: [u8; 4]) -> Option<Reader<'_>> {
    within.boxes().find(|(found, _)| **found == kind).map(|(_, body)| body)
}

fn has_pictures(track: Reader<'_>) -> bool {
    let handler = find(track, *b"mdia").and_then(|media| find(media, *b"hdlr"));
    handler.is_some_and(|handler| {
        handler
            .0
            .get(8..12)
            .is_some_and(|kind| HANDLERS.iter().any(|known| *known == kind))
    })
}

fn sizes(table: Reader<'_>) -> Option<Vec<u64>> {
    if let Some(mut body) = find(table, *b"stsz") {
        body.full_box()?;
        let (size, count) = (body.number(4)?, body.number(4)?);
        let count = (count <= MAX_SAMPLES).then_some(count)?;
        if size > 0 {
            return Some(vec![size; usize::try_from(count).ok()?]);
        }
        return (0..count).map(|_| body.number(4)).collect();
    }
    let mut body = find(table, *b"stz2")?;
    body.full_box()?;
    let (bits, count) = (body.number(4)? & 0xFF, body.number(4)?);
    let count = (count <= MAX_SAMPLES).then_some(count)?;
    match bits {
        8 | 16 => (0..count)
            .map(|_| body.number(usize::try_from(bits / 8).ok()?))
            .collect(),
        _ => None,
    }
}

fn chunks(table: Reader<'_>) -> Option<Vec<u64>> {
    let (mut body, width) = match find(table, *b"stco") {
        Some(body) => (body, 4),
        None => (find(table, *b"co64")?, 8),
    };
    body.full_box()?;
    let count = body.number(4)?;
    (0..count.min(MAX_SAMPLES)).map(|_| body.number(width)).collect()
}
