//! Boxes of the ISO base media file format. Source: ISO/IEC 14496-12, 4.2.

use std::iter;
use std::ops::Range;

use crate::metadata::view::{FileView, MAX_STEPS, Missing};

/// A box of the file: its type, and the range of its content.
pub struct FileBox {
    pub kind: [u8; 4],
    pub body: Range<u64>,
}

impl FileBox {
    /// The box that starts at an offset.
    pub fn at(file: &FileView, at: u64) -> Result<Self, Missing> {
        let [s0, s1, s2, s3, kind @ ..] = file.array::<8>(at)?;
        let (header, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => (8, file.size() - at),
            1 => (16, u64::from_be_bytes(file.array(at + 8)?)),
            size => (8, size.into()),
        };
        let end = at.checked_add(size.max(header)).ok_or(Missing::PastEnd)?;
        Ok(Self {
            kind,
            body: at + header..end,
        })
    }
}

/// Big-endian numbers and boxes, one after the other.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to eight bytes. A number of no bytes is 0.
    pub fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.take(width)?;
        (width <= 8).then(|| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// The version of a full box. Its flags are not needed.
    pub fn full_box(&mut self) -> Option<u8> {
        self.take(4).map(|bytes| bytes[0])
    }

    /// The boxes from here on, each with its type and content.
    pub fn boxes(mut self) -> impl Iterator<Item = (&'a [u8; 4], Self)> {
        iter::from_fn(move || self.next_box()).take(MAX_STEPS)
    }

    /// The next box: its type and content. `None` at the end, or if a box does not fit.
    pub fn next_box(&mut self) -> Option<(&'a [u8; 4], Self)> {
        let mut rest = *self;
        let size = rest.number(4)?;
        let kind = rest.take(4)?.first_chunk()?;
        let size = match size {
            0 => self.0.len() as u64,
            1 => rest.number(8)?,
            size => size,
        };
        let header = self.0.len() - rest.0.len();
        let body = usize::try_from(size).ok()?.checked_sub(header)?;
        let body = rest.take(body)?;
        *self = rest;
        Some((kind, Self(body)))
    }
}
