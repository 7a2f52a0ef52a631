//! The tables of a TIFF structure, copied together with their small values into one compact block.
//!
//! In a file the tables may lie anywhere, hundreds of megabytes apart. What `kamadak-exif` gets is
//! small, holds only what a record takes, and is sound: every offset and count in it was checked.
//!
//! Tables, entries and types: TIFF 6.0, section 2; the EXIF tables: CIPA DC-008 (Exif 3.0), 4.6;
//! 64-bit tables: the BigTIFF proposal, magic number 43.

use std::borrow::Cow;
use std::ops::Range;

use super::block::Block;
use super::coalesce::coalesce;
use super::parts::Gap;
use super::table::Table;
use super::warnings::Warnings;

/// More numbers than this, or more bytes of no known meaning, are left out.
const MOST_VALUES: u64 = 64;

/// A longer text is left out.
const MOST_TEXT: u64 = 64 * 1024;

/// A field may hold several texts, each ended by a NUL. Of more than this only the first are taken.
const MOST_TEXTS: usize = 16;

/// In all tables together. Real files have fewer than 200.
const MOST_ENTRIES: u64 = 1024;

/// What all values together may take, in a file of any size and for each two bytes of a block: in a
/// hostile file a thousand entries point to the same text.
const SPARE_BYTES: u64 = 64 * 1024;
const MOST_BYTES: u64 = 128 * 1024;

/// What a number takes in a record, whatever its type.
const NUMBER_BYTES: u64 = 32;

/// A table with more damaged entries than this is rubbish from there on.
const MOST_DAMAGED: u32 = 10;

/// Types of values.
mod kind {
    pub const ASCII: u16 = 2;
    pub const SHORT: u16 = 3;
    pub const LONG: u16 = 4;
    pub const UNDEFINED: u16 = 7;
    pub const SLONG: u16 = 9;
    pub const IFD: u16 = 13;
    pub const LONG8: u16 = 16;
    pub const SLONG8: u16 = 17;
    pub const IFD8: u16 = 18;
    /// Exif 3.0.
    pub const UTF8: u16 = 129;

    /// In bytes.
    pub fn size(kind: u16) -> Option<u8> {
        Some(match kind {
            1 | ASCII | 6 | UNDEFINED | UTF8 => 1,
            SHORT | 8 => 2,
            LONG | SLONG | 11 | IFD => 4,
            5 | 10 | 12 | LONG8 | SLONG8 | IFD8 => 8,
            _ => return None,
        })
    }
}

/// The compact block, as `kamadak-exif` reads it; empty when there is nothing in it. `Err`: the ranges
/// of the file that have to be read first.
pub fn compact(block: &Block, warnings: &mut Warnings) -> Result<Vec<u8>, Vec<Range<u64>>> {
    let mut copy = Copy {
        block,
        order: Order::Little,
        wide: false,
        unread: Vec::new(),
        entries_left: MOST_ENTRIES,
        bytes_left: (block.length() / 2).saturating_add(SPARE_BYTES).min(MOST_BYTES),
        visited: [None; Table::COUNT],
        found: false,
        out: Vec::with_capacity(4096),
        warnings,
    };
    copy.tables();
    if !copy.unread.is_empty() {
        return Err(coalesce(copy.unread));
    }
    Ok(if copy.found { copy.out } else { Vec::new() })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn number(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        }
    }

    fn short(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn long(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

struct Copy<'a, 'w> {
    block: &'a Block<'a>,
    order: Order,
    /// Offsets and counts have 8 bytes.
    wide: bool,
    /// What has to be read before the copy can be whole.
    unread: Vec<Range<u64>>,
    entries_left: u64,
    bytes_left: u64,
    /// Where each table starts, the last one of those given twice. How much is read in all is bounded
    /// by `entries_left`.
    visited: [Option<u64>; Table::COUNT],
    /// Whether there is any field in the copy.
    found: bool,
    out: Vec<u8>,
    warnings: &'w mut Warnings,
}

/// A table in the compact block.
struct Copied {
    /// Where it says which table comes next.
    next_at: usize,
    /// Where that one starts in the block that is copied; 0 for none.
    next: u64,
}

impl<'a> Copy<'a, '_> {
    fn tables(&mut self) {
        let Some(first) = self.header() else { return };
        self.out.extend(if self.order == Order::Little {
            b"II*\0"
        } else {
            b"MM\0*"
        });
        self.out.extend(self.order.long(8));
        let Some(ifd0) = self.table(Table::Ifd0, first) else {
            return;
        };
        if ifd0.next != 0 {
            let start = self.out.len();
            if self.table(Table::Ifd1, ifd0.next).is_some() {
                self.put_offset(ifd0.next_at, start);
            }
        }
    }

    /// What was asked of the block, if it is there. What has to be read first is noted; of what the
    /// block ends before, `warning` is said.
    fn got<T>(&mut self, asked: Result<T, Gap>, warning: impl FnOnce() -> String) -> Option<T> {
        match asked {
            Ok(got) => return Some(got),
            Err(Gap::Unread(range)) => self.unread.push(range),
            Err(Gap::End) => self.warnings.add(warning()),
        }
        None
    }

    /// Takes in the byte order; the offset of the first table.
    fn header(&mut self) -> Option<u64> {
        let too_short = || "EXIF: too short".to_owned();
        let header = self.got(self.block.array::<8>(0), too_short)?;
        self.order = match &header[..2] {
            b"II" => Order::Little,
            b"MM" => Order::Big,
            _ => {
                self.warnings.add("EXIF: no TIFF header");
                return None;
            }
        };
        // Some writers have another number in the place of 42; tables follow all the same.
        self.wide = self.order.number(&header[2..4]) == 43;
        if !self.wide {
            return Some(self.order.number(&header[4..]));
        }
        let offset = self.got(self.block.array::<8>(8), too_short)?;
        Some(self.order.number(&offset))
    }

    /// Copies a table, its values, and the tables it points to.
    fn table(&mut self, table: Table, offset: u64) -> Option<Copied> {
        if self.visited.contains(&Some(offset)) {
            self.warnings.add(format!("{table}: lies where another table is"));
            return None;
        }
        self.visited[table as usize] = Some(offset);
        let (count_size, row_size) = if self.wide { (8, 20_u8) } else { (2, 12) };
        let outside = || format!("{table}: lies outside the EXIF");
        let count = self.got(self.block.get(offset, count_size), outside)?;
        let given = self.order.number(count);
        let rows_start = offset + count_size;
        let fitting = (self.block.length() - rows_start) / u64::from(row_size);
        let count = given.min(fitting).min(self.entries_left);
        if count < given {
            let why = if count == fitting { "are there" } else { "were read" };
            self.warnings
                .add(format!("{table}: only {count} of {given} fields {why}"));
        }
        self.entries_left -= count;
        let span = offset..rows_start + count * u64::from(row_size);
        let rows = self.got(self.block.get(rows_start, span.end - rows_start), outside)?;

        // Room for all rows, whether they will be copied or not.
        let start = self.out.len();
        let mut row_at = start + 2;
        self.out
            .resize(start + 2 + rows.len() / usize::from(row_size) * 12 + 4, 0);
        let mut children = Vec::new();
        let mut damaged = 0;
        for (index, row) in rows.chunks_exact(row_size.into()).enumerate() {
            let row = Row::new(self.order, row);
            // As ExifTool does: a first field of no type is no field, and this no table.
            let is_table = index > 0 || kind::size(row.kind).is_some();
            match self.field(table, &row, &span) {
                Ok(Found::Value(kind, value)) => {
                    self.put_row(row_at, row.tag, kind, &value);
                    row_at += 12;
                    self.found = true;
                }
                Ok(Found::Table(child, offset)) => children.push((row.tag, child, offset)),
                Ok(Found::Nothing) => {}
                Err(damage) => {
                    self.warnings.add(format!("{}: {damage}", table.tag(row.tag)));
                    damaged += 1;
                }
            }
            if !is_table || damaged > MOST_DAMAGED {
                self.warnings.add(format!("{table}: damaged, the rest of it left out"));
                break;
            }
        }
        for (tag, child, offset) in children {
            let child_start = self.out.len();
            if self.table(child, offset).is_some() {
                self.put_row(row_at, tag, kind::LONG, &[0; 4]);
                self.put_offset(row_at + 8, child_start);
                row_at += 12;
            }
        }
        let written = u16::try_from((row_at - start - 2) / 12).expect("tables have few rows");
        self.out[start..start + 2].copy_from_slice(&self.order.short(written));

        let mut next = 0;
        if table == Table::Ifd0 {
            match self.block.get(span.end, if self.wide { 8 } else { 4 }) {
                Ok(offset) => next = self.order.number(offset),
                Err(Gap::Unread(range)) => self.unread.push(range),
                // Some writers leave it out.
                Err(Gap::End) => {}
            }
        }
        Some(Copied { next_at: row_at, next })
    }

    /// Looks at one field. `Err`: what is wrong with it. `table_span` is where its table lies.
    fn field(&mut self, table: Table, row: &Row<'a>, table_span: &Range<u64>) -> Result<Found<'a>, String> {
        let Some(size) = kind::size(row.kind) else {
            // Tables are padded with zeros.
            return if row.kind == 0 {
                Ok(Found::Nothing)
            } else {
                Err(format!("type {} is unknown", row.kind))
            };
        };
        if row.count == 0 {
            return Ok(Found::Nothing);
        }
        if let Some(child) = table.child(row.tag) {
            return match row.kind {
                kind::SHORT | kind::LONG | kind::SLONG | kind::IFD | kind::LONG8 | kind::IFD8 => {
                    let inside = row.inside.get(..usize::from(size)).unwrap_or(row.inside);
                    Ok(Found::Table(child, self.order.number(inside)))
                }
                other => Err(format!("type {other} is no offset")),
            };
        }
        if table == Table::Ifd1 && Table::Ifd0.child(row.tag).is_some() {
            // The tables of the thumbnail are of no interest, and must not be taken for the image's.
            return Ok(Found::Nothing);
        }
        let length = row.count.checked_mul(size.into()).ok_or("its length is out of range")?;
        // Whatever type such a text is said to have, its bytes are taken as they are.
        let is_coded = size == 1 && table.tag(row.tag).is_text();
        let is_text = is_coded || matches!(row.kind, kind::ASCII | kind::UTF8);
        if if is_text {
            length > MOST_TEXT
        } else {
            row.count > MOST_VALUES
        } {
            let unit = if size == 1 { "bytes" } else { "values" };
            let name = table.tag(row.tag);
            self.warnings.add(format!("{name}: {} {unit} left out", row.count));
            return Ok(Found::Nothing);
        }
        let taken = if is_text { length } else { row.count * NUMBER_BYTES };
        if taken > self.bytes_left {
            self.warnings
                .add(format!("{}: left out, too much in all", table.tag(row.tag)));
            return Ok(Found::Nothing);
        }
        let inside = usize::try_from(length).ok().and_then(|length| row.inside.get(..length));
        let value = if let Some(inside) = inside {
            inside
        } else {
            let offset = self.order.number(row.inside);
            // Values lie behind the header and not in their own table.
            if offset < 8 || offset < table_span.end && offset.saturating_add(length) > table_span.start {
                return Err("its value lies in the tables".to_owned());
            }
            match self.block.get(offset, length) {
                Ok(value) => value,
                Err(Gap::End) => return Err("its value lies outside the EXIF".to_owned()),
                Err(Gap::Unread(range)) => {
                    self.unread.push(range);
                    return Ok(Found::Nothing);
                }
            }
        };
        self.bytes_left -= taken;
        let (kind, value) = match row.kind {
            _ if is_coded => (kind::UNDEFINED, Cow::Borrowed(value)),
            kind::ASCII | kind::UTF8 => (kind::ASCII, Cow::Borrowed(texts(value))),
            kind::IFD => (kind::LONG, Cow::Borrowed(value)),
            kind::LONG8 | kind::SLONG8 | kind::IFD8 => {
                let narrow = value.chunks_exact(8).map(|wide| {
                    let number = u32::try_from(self.order.number(wide));
                    number.map(|number| self.order.long(number))
                });
                let narrow: Result<Vec<_>, _> = narrow.collect();
                let narrow = narrow.map_err(|_| "a number of more than 32 bits, left out")?;
                (kind::LONG, Cow::Owned(narrow.concat()))
            }
            known => (known, Cow::Borrowed(value)),
        };
        if value.is_empty() {
            return Ok(Found::Nothing);
        }
        Ok(Found::Value(kind, value))
    }

    fn put_row(&mut self, at: usize, tag: u16, kind: u16, value: &[u8]) {
        let size = kind::size(kind).expect("only known types are copied");
        let count = u32::try_from(value.len() / usize::from(size)).expect("values are small");
        let row = &mut self.out[at..at + 12];
        row[..2].copy_from_slice(&self.order.short(tag));
        row[2..4].copy_from_slice(&self.order.short(kind));
        row[4..8].copy_from_slice(&self.order.long(count));
        if value.len() <= 4 {
            row[8..8 + value.len()].copy_from_slice(value);
        } else {
            self.put_offset(at + 8, self.out.len());
            self.out.extend_from_slice(value);
        }
    }

    fn put_offset(&mut self, at: usize, offset: usize) {
        let offset = u32::try_from(offset).expect("the copy is small");
        self.out[at..at + 4].copy_from_slice(&self.order.long(offset));
    }
}

/// One row of a table, its numbers read.
struct Row<'a> {
    tag: u16,
    kind: u16,
    count: u64,
    /// The value, if it fits, or its offset.
    inside: &'a [u8],
}

impl<'a> Row<'a> {
    fn new(order: Order, row: &'a [u8]) -> Self {
        let (head, inside) = row.split_at(row.len() / 2 + 2);
        #[expect(clippy::cast_possible_truncation, reason = "two bytes each")]
        let short = |bytes| order.number(bytes) as u16;
        Self {
            tag: short(&head[..2]),
            kind: short(&head[2..4]),
            count: order.number(&head[4..]),
            inside,
        }
    }
}

enum Found<'a> {
    /// Its type, one that `kamadak-exif` knows, and its bytes.
    Value(u16, Cow<'a, [u8]>),
    /// A table, and where it starts.
    Table(Table, u64),
    /// Nothing to copy.
    Nothing,
}

/// Without the NULs at the end, and no more texts than may be.
fn texts(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let value = &value[..end];
    let mut nuls = value.iter().enumerate().filter(|&(_, &byte)| byte == 0);
    let end = nuls.nth(MOST_TEXTS - 1).map_or(value.len(), |(at, _)| at);
    &value[..end]
}
