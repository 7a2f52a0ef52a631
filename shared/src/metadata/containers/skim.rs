//! Reads the rest of a PNG as a stream, and keeps only what can hold metadata. So an image of any size takes little memory.

use bytes::BytesMut;

use super::png::{CHUNK_CRC, CHUNK_HEADER, is_wanted, keyword_length};
use crate::metadata::view::{FileView, MAX_STEPS};

/// Longer chunks are not kept. If one of them holds EXIF, it is read by ranges later.
const MAX_KEPT_BYTES: u64 = 1024 * 1024;

/// The most bytes that are kept in all. A file could have many chunks that seem to hold EXIF.
const MAX_KEPT_IN_ALL: usize = 4 * 1024 * 1024;

/// The bytes of a file from the start of a chunk to the end of the file. They arrive in pieces of any size.
#[derive(Clone, Debug, PartialEq)]
pub struct Skim {
    from: u64,
    /// Where the next byte belongs.
    at: u64,
    part: Part,
    steps: usize,
    /// The bytes that were kept, and the start of each stretch of them in the file and here.
    kept: BytesMut,
    stretches: Vec<(u64, usize)>,
}

/// The part of a chunk that arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// Up to here.
    Header {
        end: u64,
    },
    /// A text whose keyword decides whether it is kept. Its keyword ends at `end`, and the chunk at `chunk_end`.
    Keyword {
        start: usize,
        end: u64,
        chunk_end: u64,
    },
    /// To the end of the chunk.
    Kept {
        end: u64,
    },
    Skipped {
        end: u64,
    },
    /// Nothing more is kept.
    Over,
}

impl Skim {
    pub(in crate::metadata) fn new(from: u64) -> Self {
        Self {
            from,
            at: from,
            part: Part::Header {
                end: from + CHUNK_HEADER,
            },
            steps: 0,
            kept: BytesMut::new(),
            stretches: vec![(from, 0)],
        }
    }

    /// The first byte to feed.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (end, is_kept) = match self.part {
                Part::Header { end } | Part::Keyword { end, .. } | Part::Kept { end } => (end, true),
                Part::Skipped { end } => (end, false),
                Part::Over => return,
            };
            let length = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(bytes.len());
            let (taken, rest) = bytes.split_at(length);
            if is_kept {
                self.kept.extend_from_slice(taken);
            }
            self.at += length as u64;
            bytes = rest;
            if self.at == end {
                self.part = self.next();
            }
        }
    }

    /// What follows the part that has just ended.
    fn next(&mut self) -> Part {
        match self.part {
            Part::Header { .. } => self.after_header(),
            Part::Keyword { start, chunk_end, .. } => {
                if is_wanted(&self.kept[start..]) && self.may_keep(chunk_end - self.at) {
                    Part::Kept { end: chunk_end }
                } else {
                    self.skip(chunk_end)
                }
            }
            Part::Kept { .. } | Part::Skipped { .. } => self.header(),
            Part::Over => Part::Over,
        }
    }

    fn after_header(&mut self) -> Part {
        self.steps += 1;
        let header = self.kept.last_chunk::<8>().expect("a header was kept");
        let [l0, l1, l2, l3, kind @ ..] = *header;
        let length = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
        let chunk_end = self.at + length + CHUNK_CRC;
        if &kind == b"IEND" || self.steps == MAX_STEPS {
            return Part::Over;
        }
        if &kind == b"eXIf" && self.may_keep(length) {
            return Part::Kept { end: chunk_end };
        }
        match keyword_length(kind) {
            Some(keyword) if length > keyword && self.may_keep(keyword) => Part::Keyword {
                start: self.kept.len(),
                end: self.at + keyword,
                chunk_end,
            },
            _ => self.skip(chunk_end),
        }
    }

    fn may_keep(&self, bytes: u64) -> bool {
        bytes <= MAX_KEPT_BYTES && self.kept.len() < MAX_KEPT_IN_ALL
    }

    /// Skips the rest of a chunk, if there is any.
    fn skip(&mut self, chunk_end: u64) -> Part {
        if chunk_end == self.at {
            self.header()
        } else {
            Part::Skipped { end: chunk_end }
        }
    }

    fn header(&mut self) -> Part {
        self.stretches.push((self.at, self.kept.len()));
        Part::Header {
            end: self.at + CHUNK_HEADER,
        }
    }

    /// Adds what was kept to the file.
    pub fn finish(self, file: &mut FileView) {
        let kept = self.kept.freeze();
        let ends = self.stretches.iter().skip(1).map(|&(_, start)| start);
        let ends = ends.chain([kept.len()]);
        for (&(at, start), end) in self.stretches.iter().zip(ends) {
            if start < end {
                file.insert(at, kept.slice(start..end));
            }
        }
        file.skimmed_from(self.from);
    }
}
