//! The rows of a table as they are, for tags that are no EXIF.

use std::ops::Range;

use super::kind;
use super::order::Order;
use super::row::Row;
use crate::metadata::view::{FileView, Missing};

/// The most rows that are looked at.
const MAX_ROWS: u64 = 512;

/// The table of a file.
#[derive(Debug)]
pub struct Directory {
    /// Where the TIFF structure starts in the file. Offsets count from here.
    pub base: u64,
    pub order: Order,
    /// `BigTIFF`: offsets and counts have 8 bytes.
    pub wide: bool,
    /// Where the table lies in the file, with the number of rows before them and without the offset of the next table
    /// behind them.
    pub span: Range<u64>,
    /// Rows of an unknown type are not among them.
    pub rows: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub tag: u16,
    pub kind: u16,
    /// Of one value, in bytes.
    pub size: u64,
    pub count: u64,
    /// The value if it fits, otherwise its offset.
    pub inside: Vec<u8>,
}

impl Entry {
    /// In bytes.
    pub fn length(&self) -> u64 {
        self.count.saturating_mul(self.size)
    }

    /// Whether the value is in the table.
    pub fn is_inside(&self) -> bool {
        self.length() <= self.inside.len() as u64
    }
}

/// The main table of the TIFF structure that starts at `base`.
pub fn main(file: &FileView, base: u64) -> Result<Directory, Missing> {
    let header: [u8; 8] = file.array(base)?;
    let order = match &header[..2] {
        b"II" => Order::Little,
        b"MM" => Order::Big,
        _ => return Err(Missing::PastEnd),
    };
    let wide = order.number(&header[2..4]) == 43;
    let offset = if wide {
        order.number(&file.array::<8>(base + 8)?)
    } else {
        order.number(&header[4..])
    };
    at(file, base, order, wide, offset)
}

fn at(file: &FileView, base: u64, order: Order, wide: bool, offset: u64) -> Result<Directory, Missing> {
    let offset = base.saturating_add(offset);
    let (count_bytes, row_bytes) = if wide { (8, 20) } else { (2, 12) };
    let count = order.number(file.ahead(offset, count_bytes)?).min(MAX_ROWS);
    let start = offset + count_bytes;
    let fitting = file.size().saturating_sub(start) / row_bytes;
    let span = offset..start + count.min(fitting) * row_bytes;
    let bytes = file.ahead(start, span.end - start)?;
    #[expect(clippy::cast_possible_truncation, reason = "12 or 20")]
    let rows = bytes.chunks_exact(row_bytes as usize).filter_map(|row| {
        let row = Row::new(order, row);
        Some(Entry {
            tag: row.tag,
            kind: row.kind,
            size: kind::size(row.kind)?.into(),
            count: row.count,
            inside: row.inside.to_vec(),
        })
    });
    Ok(Directory {
        base,
        order,
        wide,
        span,
        rows: rows.collect(),
    })
}

impl Directory {
    /// How many rows have an unknown type.
    pub fn damaged_rows(&self) -> u64 {
        let (count_bytes, row_bytes) = if self.wide { (8, 20) } else { (2, 12) };
        (self.span.end - self.span.start - count_bytes) / row_bytes - self.rows.len() as u64
    }

    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.rows.iter().find(|entry| entry.tag == tag && entry.count > 0)
    }

    /// Where the next table of the chain lies, from `base`. `None` if there is none.
    pub fn next(&self, file: &FileView) -> Result<Option<u64>, Missing> {
        match file.ahead(self.span.end, if self.wide { 8 } else { 4 }) {
            Ok(offset) => Ok(Some(self.order.number(offset)).filter(|offset| *offset > 0)),
            // Some writers leave out the next offset.
            Err(Missing::PastEnd) => Ok(None),
            Err(unread) => Err(unread),
        }
    }

    /// Where the value of an entry lies in the file.
    pub fn offset(&self, entry: &Entry) -> u64 {
        self.base.saturating_add(self.order.number(&entry.inside))
    }

    /// The first number of a tag.
    pub fn number(&self, file: &FileView, tag: u16) -> Result<Option<u64>, Missing> {
        self.number_at(file, tag, 0)
    }

    /// One of the numbers of a tag. `None` if it has fewer.
    pub fn number_at(&self, file: &FileView, tag: u16, index: u64) -> Result<Option<u64>, Missing> {
        let Some(entry) = self.entry(tag).filter(|entry| index < entry.count) else {
            return Ok(None);
        };
        let start = index * entry.size;
        let inside = usize::try_from(start).ok().and_then(|start| entry.inside.get(start..));
        if entry.is_inside() {
            let inside = inside.and_then(|rest| rest.get(..usize::try_from(entry.size).ok()?));
            return Ok(inside.map(|bytes| self.order.number(bytes)));
        }
        match file.get(self.offset(entry).saturating_add(start), entry.size) {
            Ok(bytes) => Ok(Some(self.order.number(bytes))),
            Err(Missing::PastEnd) => Ok(None),
            Err(unread) => Err(unread),
        }
    }

    /// The start of the text of a tag.
    pub fn text(&self, file: &FileView, tag: u16) -> Result<Option<String>, Missing> {
        const MAX_BYTES: u64 = 64;
        let Some(entry) = self.entry(tag).filter(|entry| entry.size == 1) else {
            return Ok(None);
        };
        let bytes = if entry.count <= entry.inside.len() as u64 {
            &entry.inside[..]
        } else {
            match file.get(self.offset(entry), entry.count.min(MAX_BYTES)) {
                Ok(bytes) => bytes,
                Err(Missing::PastEnd) => return Ok(None),
                Err(unread) => return Err(unread),
            }
        };
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// Another table of the same file.
    pub fn table(&self, file: &FileView, offset: u64) -> Result<Self, Missing> {
        at(file, self.base, self.order, self.wide, offset)
    }

    /// Where the bytes of a tag are in the file, and how many. `None` if there are so few that they are in the table.
    pub fn bytes(&self, tag: u16) -> Option<(u64, u64)> {
        let entry = self.entry(tag)?;
        let length = entry.count.checked_mul(entry.size)?;
        (length > entry.inside.len() as u64).then(|| (self.offset(entry), length))
    }
}
