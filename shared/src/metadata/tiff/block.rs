use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::metadata::view::{FileView, Missing};
use crate::metadata::warnings::Warnings;

/// What is asked for at least inside a block: its tables and values lie close together.
const MIN_READ_BYTES: u64 = 64 * 1024;

/// A TIFF structure inside a file, or unpacked from it.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    parts: Cow<'a, FileView>,
    range: Range<u64>,
}

impl<'a> Block<'a> {
    /// As much of this range as the file has.
    pub fn at(file: &'a FileView, range: Range<u64>, warnings: &mut Warnings) -> Self {
        if range.end > file.size() {
            warnings.add("the file ends inside its EXIF");
        }
        Self {
            parts: Cow::Borrowed(file),
            range: range.start..range.end.min(file.size()),
        }
    }

    pub fn owned(bytes: Bytes) -> Self {
        Self {
            range: 0..bytes.len() as u64,
            parts: Cow::Owned(FileView::whole(bytes)),
        }
    }

    /// What follows the first `length` bytes.
    pub fn skip(mut self, length: u64) -> Self {
        self.range.start = self.range.start.saturating_add(length).min(self.range.end);
        self
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// `length` bytes, `start` bytes into the block. What is asked for is in terms of the file.
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

    /// `N` bytes, `start` bytes into the block.
    pub fn array<const N: usize>(&self, start: u64) -> Result<[u8; N], Missing> {
        let bytes = self.get(start, N as u64)?;
        Ok(*bytes.first_chunk().expect("as many as were asked for"))
    }

    /// Whether it starts with the header of a TIFF.
    pub fn is_tiff(&self) -> Result<bool, Missing> {
        match self.array(0) {
            Ok(header) => Ok(is_tiff(header)),
            Err(Missing::PastEnd) => Ok(false),
            Err(unread) => Err(unread),
        }
    }

    /// Without the `Exif\0\0` that belongs in front of it in a JPEG only, and that some writers keep
    /// in other containers.
    pub fn without_id(self) -> Result<Self, Missing> {
        match self.array(0) {
            Ok([b'E', b'x', b'i', b'f', 0, _]) => Ok(self.skip(6)),
            Ok(_) | Err(Missing::PastEnd) => Ok(self),
            Err(unread) => Err(unread),
        }
    }
}

/// TIFF 6.0, section 2: it starts with its byte order. Not all writers put a 42 behind it.
pub fn is_tiff(header: [u8; 4]) -> bool {
    matches!(header, [b'I', b'I', ..] | [b'M', b'M', ..])
}
