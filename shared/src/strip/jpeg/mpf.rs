use std::ops::Range;

use super::super::pieces::{Piece, Pieces};
use crate::metadata::tiff::directory::{self, Directory};
use crate::metadata::tiff::order::Order;
use crate::metadata::view::{FileView, Missing};

pub const ID: &[u8] = b"MPF\0";

const ENTRIES: u16 = 0xB002;
const ENTRY_BYTES: u64 = 16;

/// The most pictures of a file.
const MAX_PICTURES: u64 = 64;

/// An entry: attributes, then length and offset of a picture.
const LENGTH: usize = 4;
const OFFSET: usize = 8;

/// The attributes of the first of two pictures: a baseline primary image.
const PRIMARY: u32 = 0x0003_0000;

/// The index of the pictures in a file.
pub struct Index {
    content: Range<u64>,
    bytes: Vec<u8>,
    order: Order,
    /// Where the entries are in `bytes`.
    entries: usize,
    count: usize,
    /// Where each other picture is in the file, with the number of its entry.
    others: Vec<(usize, Range<u64>)>,
}

impl Index {
    /// The index in a segment. `None` if there is none, or a damaged one.
    pub fn of(file: &FileView, content: &Range<u64>) -> Result<Option<Self>, Missing> {
        let bytes = file.get(content.start, content.end - content.start)?;
        if !bytes.starts_with(ID) {
            return Ok(None);
        }
        let base = content.start + ID.len() as u64;
        match directory::main(file, base) {
            Ok(table) => Self::in_table(file, content, bytes, &table),
            Err(Missing::PastEnd) => Ok(None),
            Err(unread) => Err(unread),
        }
    }

    fn in_table(
        file: &FileView,
        content: &Range<u64>,
        bytes: &[u8],
        table: &Directory,
    ) -> Result<Option<Self>, Missing> {
        let Some((entries, places)) = places(content, bytes, table) else {
            return Ok(None);
        };
        let count = places.len();
        let mut others: Vec<(usize, Range<u64>)> = Vec::new();
        for (number, place) in places.into_iter().enumerate() {
            // Two entries for the same bytes would double them.
            let is_new = |(_, other): &(usize, Range<u64>)| place.end <= other.start || other.end <= place.start;
            let is_other = place.start > table.base && place.end <= file.size() && others.iter().all(is_new);
            if is_other && place.start + 2 <= file.size() && file.get(place.start, 2)? == [0xFF, 0xD8] {
                others.push((number, place));
            }
        }
        Ok(Some(Self {
            content: content.clone(),
            bytes: bytes.to_vec(),
            order: table.order,
            entries,
            count,
            others,
        }))
    }

    /// Where the other pictures are.
    pub fn others(&self) -> Vec<Range<u64>> {
        self.others.iter().map(|(_, range)| range.clone()).collect()
    }

    pub fn is_at(&self, content: &Range<u64>) -> bool {
        self.content == *content
    }

    /// The segment as it is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The segment for a first picture that has the segment in it, and for the others behind it.
    pub fn with(&self, first: &Pieces, others: &[Pieces]) -> Vec<u8> {
        let base = place(first).unwrap_or(0);
        let mut bytes = self.bytes.clone();
        let mut put = |number: usize, at: usize, value: u64| {
            let value = self.order.long(u32::try_from(value).unwrap_or(0));
            let start = self.entries + number * 16 + at;
            bytes[start..start + 4].copy_from_slice(&value);
        };
        for number in 0..self.count {
            put(number, LENGTH, 0);
            put(number, OFFSET, 0);
        }
        put(0, LENGTH, first.length());
        let mut start = first.length();
        for ((number, _), other) in self.others.iter().zip(others) {
            put(*number, LENGTH, other.length());
            put(*number, OFFSET, start - base);
            start += other.length();
        }
        bytes
    }
}

/// Where the entries are in the content of the segment, and where each of them says that its picture is.
fn places(content: &Range<u64>, bytes: &[u8], table: &Directory) -> Option<(usize, Vec<Range<u64>>)> {
    let (start, length) = table.bytes(ENTRIES)?;
    let entries = usize::try_from(start.checked_sub(content.start)?).ok()?;
    let count = usize::try_from((length / ENTRY_BYTES).min(MAX_PICTURES)).ok()?;
    let place = |number: usize| {
        let entry = bytes.get(entries + number * 16..)?.first_chunk::<16>()?;
        let start = table.base + table.order.number(&entry[OFFSET..OFFSET + 4]);
        Some(start..start + table.order.number(&entry[LENGTH..LENGTH + 4]))
    };
    let places: Option<Vec<_>> = (0..count).map(place).collect();
    Some((entries, places?))
}

/// From where the offsets of an index count, in a picture with one.
pub fn place(picture: &Pieces) -> Option<u64> {
    let mut at = 0;
    for piece in picture.as_slice() {
        // A marker and a length come before the content.
        if let Piece::New(bytes) = piece
            && bytes.get(4..).is_some_and(|content| content.starts_with(ID))
        {
            return Some(at + 4 + ID.len() as u64);
        }
        at += piece.length();
    }
    None
}

/// The index of a picture with one more behind it. Offsets count from `base`.
pub fn of_two(first: u64, second: u64, base: u64) -> Vec<u8> {
    let long = |value: u64| u32::try_from(value).unwrap_or(0).to_le_bytes();
    let mut out = [ID, b"II*\0\x08\0\0\0\x03\0"].concat();
    // The version, the number of pictures, and the entries behind the table.
    out.extend(b"\x00\xB0\x07\0\x04\0\0\x000100");
    out.extend(b"\x01\xB0\x04\0\x01\0\0\0\x02\0\0\0");
    out.extend(b"\x02\xB0\x07\0\x20\0\0\0\x32\0\0\0");
    out.extend([0; 4]);
    out.extend([&PRIMARY.to_le_bytes()[..], &long(first), &[0; 8]].concat());
    out.extend([&[0; 4][..], &long(second), &long(first.saturating_sub(base)), &[0; 4]].concat());
    out
}
