use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

/// The least that is asked for inside a block. Its tables and values lie close together.
const MIN_READ_BYTES: u64 = 64 * 1024;

/// What ends this early in a file comes with its front.
const FRONT_BYTES: u64 = crate::metadata::FRONT_BYTES;

/// A TIFF structure in a file, or unpacked from it.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    parts: Cow<'a, FileView>,
    range: Range<u64>,
}

impl<'a> Block<'a> {
    /// The block in this range of a file. If the file ends earlier, so does the block, with a warning.
    pub fn at(file: &'a FileView, range: Range<u64>, warnings: &mut Warnings) -> Self {
        if range.end > file.size() {
            warnings.add("the file ends inside its EXIF");
        }
        Self {
            parts: Cow::Borrowed(file),
            range: range.start..range.end.min(file.size()),
        }
    }

    /// Where it starts in the file. `None` if it was unpacked from it.
    pub fn offset(&self) -> Option<u64> {
        matches!(self.parts, Cow::Borrowed(_)).then_some(self.range.start)
    }

    pub fn owned(bytes: Bytes) -> Self {
        Self {
            range: 0..bytes.len() as u64,
            parts: Cow::Owned(FileView::whole(bytes)),
        }
    }

    /// The block without its first `length` bytes.
    pub fn skip(mut self, length: u64) -> Self {
        self.range.start = self.range.start.saturating_add(length).min(self.range.end);
        self
    }

    /// The length in bytes.
    pub fn length(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// `length` bytes, from `start` bytes into the block. Missing ranges are those of the file.
    pub fn get(&self, start: u64, length: u64) -> Result<&[u8], Missing> {
        let end = start.checked_add(length).ok_or(Missing::PastEnd)?;
        if end > self.length() {
            return Err(Missing::PastEnd);
        }
        let block_end = self.range.end;
        self.parts.get_or_ask(self.range.start + start, length, |missing| {
            (missing.start + MIN_READ_BYTES).min(block_end)
        })
    }

    /// Whether the block's first bytes and the file's front hold these bytes of the block. To read them takes no request
    /// of their own.
    pub fn is_at_hand(&self, start: u64, length: u64) -> bool {
        let end = start.saturating_add(length);
        end <= MIN_READ_BYTES || self.range.start.saturating_add(end) <= FRONT_BYTES
    }

    /// `N` bytes, from `start` bytes into the block.
    pub fn array<const N: usize>(&self, start: u64) -> Result<[u8; N], Missing> {
        let bytes = self.get(start, N as u64)?;
        Ok(*bytes.first_chunk().expect("`get` returns as many bytes as requested"))
    }

    /// Whether the block starts with a TIFF header.
    pub fn is_tiff(&self) -> Result<bool, Missing> {
        match self.array(0) {
            Ok(header) => Ok(is_tiff(header)),
            Err(Missing::PastEnd) => Ok(false),
            Err(unread) => Err(unread),
        }
    }

    /// The block without a leading `Exif\0\0`. This belongs only in a JPEG, but some writers keep it in other
    /// containers.
    pub fn without_id(self) -> Result<Self, Missing> {
        match self.array(0) {
            Ok([b'E', b'x', b'i', b'f', 0, _]) => Ok(self.skip(6)),
            Ok(_) | Err(Missing::PastEnd) => Ok(self),
            Err(unread) => Err(unread),
        }
    }
}

/// Whether a TIFF starts with these bytes: its byte order (TIFF 6.0, section 2).
///
/// The number 42 after the byte order is not checked, because some writers use another one.
pub fn is_tiff(header: [u8; 4]) -> bool {
    matches!(header, [b'I', b'I', ..] | [b'M', b'M', ..])
}
