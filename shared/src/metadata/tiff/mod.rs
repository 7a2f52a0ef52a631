//! The tables of a TIFF structure and their small values, copied into one compact block.
//!
//! In a file, the tables can lie anywhere, hundreds of megabytes apart. The compact block, which `kamadak-exif`
//! reads, is small and holds only what a record needs. Every offset and count in it was checked.
//!
//! Sources: TIFF 6.0, section 2, for tables, fields and types; CIPA DC-008 (Exif 3.0), 4.6, for the EXIF tables; the
//! BigTIFF proposal, magic number 43, for 64-bit tables.

pub mod block;
mod coalesce;
pub mod directory;
pub mod join;
pub mod kind;
pub mod note;
pub mod order;
pub mod row;
pub mod table;

use std::borrow::Cow;
use std::ops::Range;

use super::view::Missing;
use super::warnings::Warnings;
use block::Block;
pub use coalesce::coalesce;
use note::MakerNote;
use order::Order;
use row::{Found, Row, texts};
use table::Table;

/// A field with more numbers than this, or with more bytes of unknown meaning, is left out on purpose.
const MAX_VALUES: u64 = 64;

/// A text with more bytes than this is left out.
const MAX_TEXT_BYTES: u64 = 64 * 1024;

/// The most fields in all tables together. Real files have fewer than 200.
const MAX_ENTRIES: u64 = 1024;

/// What all values together may take: this, and one byte for every two bytes of the block, up to [`MAX_VALUE_BYTES`].
/// In a hostile file, a thousand fields can point to the same text.
const SPARE_BYTES: u64 = 64 * 1024;
const MAX_VALUE_BYTES: u64 = 128 * 1024;

/// What a number takes in a record, in bytes, whatever its type.
const NUMBER_BYTES: u64 = 32;

/// If a table has more damaged fields than this, the rest of it counts as rubbish.
const MAX_DAMAGED_ENTRIES: u32 = 10;

/// What a block holds.
pub struct Compact<'a> {
    /// The block that `kamadak-exif` reads. It is empty if it has no fields.
    pub bytes: Vec<u8>,
    pub maker_note: Option<MakerNote<'a>>,
}

/// Copies a block into a compact one.
///
/// `Err`: the ranges of the file that must be read first.
pub fn compact<'a>(block: &'a Block<'a>, warnings: &mut Warnings) -> Result<Compact<'a>, Vec<Range<u64>>> {
    let mut copy = Copy {
        block,
        order: Order::Little,
        wide: false,
        unread: Vec::new(),
        entries_left: MAX_ENTRIES,
        bytes_left: (block.length() / 2).saturating_add(SPARE_BYTES).min(MAX_VALUE_BYTES),
        visited: [None; Table::COUNT],
        found: false,
        maker_note: None,
        out: Vec::with_capacity(4096),
        warnings,
    };
    copy.tables();
    if !copy.unread.is_empty() {
        return Err(copy.unread);
    }
    Ok(Compact {
        bytes: if copy.found { copy.out } else { Vec::new() },
        maker_note: copy.maker_note,
    })
}

struct Copy<'a, 'w> {
    block: &'a Block<'a>,
    order: Order,
    /// BigTIFF: offsets and counts have 8 bytes.
    wide: bool,
    /// What must be read before the copy can be complete.
    unread: Vec<Range<u64>>,
    entries_left: u64,
    bytes_left: u64,
    /// Where each table starts. For a table that occurs twice, the last one counts. `entries_left` limits how much is
    /// read in total.
    visited: [Option<u64>; Table::COUNT],
    /// Whether the copy has any field.
    found: bool,
    maker_note: Option<MakerNote<'a>>,
    out: Vec<u8>,
    warnings: &'w mut Warnings,
}

/// A table in the compact block.
struct Copied {
    /// Where in the copy the offset of the next table belongs.
    next_at: usize,
    /// The offset of the next table in the original block; 0 if there is none.
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

    /// What was asked of the block. If it must be read first, its range is noted. If the block ends before it,
    /// `warning` is added.
    fn got<T>(&mut self, asked: Result<T, Missing>, warning: impl FnOnce() -> String) -> Option<T> {
        match asked {
            Ok(got) => return Some(got),
            Err(Missing::NotRead(range)) => self.unread.push(range),
            Err(Missing::PastEnd) => self.warnings.add(warning()),
        }
        None
    }

    /// Reads the byte order, and returns the offset of the first table.
    fn header(&mut self) -> Option<u64> {
        let too_short = || "EXIF: too short".to_owned();
        let header = self.got(self.block.array::<8>(0), too_short)?;
        let Some(order) = Order::of(&header[..2]) else {
            self.warnings.add("EXIF: no TIFF header");
            return None;
        };
        self.order = order;
        // Some writers have another number in place of 42, but valid tables.
        self.wide = self.order.number(&header[2..4]) == 43;
        if !self.wide {
            return Some(self.order.number(&header[4..]));
        }
        let offset = self.got(self.block.array::<8>(8), too_short)?;
        Some(self.order.number(&offset))
    }

    /// Copies a table, its values, and the tables that it points to.
    fn table(&mut self, table: Table, offset: u64) -> Option<Copied> {
        if self.visited.contains(&Some(offset)) {
            self.warnings.add(format!("{table}: lies where another table is"));
            return None;
        }
        self.visited[table as usize] = Some(offset);
        let (rows, span) = self.rows(table, offset)?;
        // This leaves room for all rows, even if not all are copied.
        let start = self.out.len();
        let mut row_at = start + 2;
        self.out.resize(start + 2 + rows.len() / self.row_bytes() * 12 + 4, 0);
        let children = self.copy_rows(table, rows, &span, &mut row_at);
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
                Err(Missing::NotRead(range)) => self.unread.push(range),
                // Some writers leave out the next offset.
                Err(Missing::PastEnd) => {}
            }
        }
        Some(Copied { next_at: row_at, next })
    }

    /// The size of a row in the original block.
    fn row_bytes(&self) -> usize {
        if self.wide { 20 } else { 12 }
    }

    /// The rows of the table at an offset, and the range of the table. These are the rows that the block holds and
    /// the limits allow.
    fn rows(&mut self, table: Table, offset: u64) -> Option<(&'a [u8], Range<u64>)> {
        let count_bytes = if self.wide { 8 } else { 2 };
        let row_bytes = self.row_bytes() as u64;
        let outside = || format!("{table}: lies outside the EXIF");
        let count = self.got(self.block.get(offset, count_bytes), outside)?;
        let given = self.order.number(count);
        let rows_start = offset + count_bytes;
        let fitting = (self.block.length() - rows_start) / row_bytes;
        let count = given.min(fitting).min(self.entries_left);
        if count < given {
            let why = if count == fitting { "are there" } else { "were read" };
            self.warnings
                .add(format!("{table}: only {count} of {given} fields {why}"));
        }
        self.entries_left -= count;
        let span = offset..rows_start + count * row_bytes;
        let rows = self.got(self.block.get(rows_start, span.end - rows_start), outside)?;
        Some((rows, span))
    }

    /// Copies rows to `row_at`, and moves it on. Returns the tables that the rows point to.
    fn copy_rows(
        &mut self,
        table: Table,
        rows: &'a [u8],
        span: &Range<u64>,
        row_at: &mut usize,
    ) -> Vec<(u16, Table, u64)> {
        let mut children = Vec::new();
        let mut damaged = 0;
        for (index, row) in rows.chunks_exact(self.row_bytes()).enumerate() {
            let row = Row::new(self.order, row);
            // As in ExifTool: if the first field has an unknown type, this is not a table.
            let is_table = index > 0 || kind::size(row.kind).is_some();
            match self.field(table, &row, span) {
                Ok(Found::Value(kind, value)) => {
                    self.put_row(*row_at, row.tag, kind, &value);
                    *row_at += 12;
                    self.found = true;
                }
                Ok(Found::Table(child, offset)) => children.push((row.tag, child, offset)),
                Ok(Found::Nothing) => {}
                Err(damage) => {
                    self.warnings.add(format!("{}: {damage}", table.tag(row.tag)));
                    damaged += 1;
                }
            }
            if !is_table || damaged > MAX_DAMAGED_ENTRIES {
                self.warnings.add(format!("{table}: damaged, so the rest is left out"));
                break;
            }
        }
        children
    }

    /// Checks one field, in the table at `span`. `Err` says what is wrong with it.
    fn field(&mut self, table: Table, row: &Row<'a>, span: &Range<u64>) -> Result<Found<'a>, String> {
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
                other => Err(format!("type {other} cannot be an offset")),
            };
        }
        if table == Table::Ifd1 && Table::Ifd0.child(row.tag).is_some() {
            // The tables of the thumbnail are not needed, and must not be mistaken for those of the image.
            return Ok(Found::Nothing);
        }
        let length = row.count.checked_mul(size.into()).ok_or("its length is out of range")?;
        if table.tag(row.tag).is_maker_note() {
            self.note(self.order.number(row.inside), length);
        }
        // Such a text is copied as bytes, whatever type its field has.
        let is_coded = size == 1 && table.tag(row.tag).is_text();
        let is_text = is_coded || matches!(row.kind, kind::ASCII | kind::UTF8);
        if !self.has_room(table, row, size, is_text) {
            return Ok(Found::Nothing);
        }
        let Some(value) = self.value(row, length, span)? else {
            return Ok(Found::Nothing);
        };
        self.bytes_left -= taken_bytes(row, length, is_text);
        let (kind, value) = if is_coded {
            (kind::UNDEFINED, Cow::Borrowed(value))
        } else {
            self.known_type(row.kind, value)?
        };
        if value.is_empty() {
            return Ok(Found::Nothing);
        }
        Ok(Found::Value(kind, value))
    }

    /// Notes the place of the maker note, if to read it takes no request of its own. It says too little for one.
    fn note(&mut self, offset: u64, length: u64) {
        if !self.block.is_at_hand(offset, length) {
            return;
        }
        match self.block.get(offset, length) {
            Ok(bytes) => {
                self.maker_note = Some(MakerNote {
                    bytes,
                    offset,
                    order: self.order,
                });
            }
            Err(Missing::NotRead(range)) => self.unread.push(range),
            // The limits say this, or the value does.
            Err(Missing::PastEnd) => {}
        }
    }

    /// Whether a value is within the limits. If it is not, this is noted.
    fn has_room(&mut self, table: Table, row: &Row<'a>, size: u8, is_text: bool) -> bool {
        let length = row.count.saturating_mul(size.into());
        let name = table.tag(row.tag);
        let too_long = if is_text {
            length > MAX_TEXT_BYTES
        } else {
            row.count > MAX_VALUES
        };
        if too_long && length > self.block.length() {
            self.warnings.add(format!("{name}: its value lies outside the EXIF"));
        } else if too_long {
            let unit = if size == 1 { "bytes" } else { "values" };
            // Blocks of their own are read as such.
            if !name.is_block() {
                self.warnings.omit(format!("{name}: {} {unit}", row.count));
            }
        } else if taken_bytes(row, length, is_text) > self.bytes_left {
            self.warnings.omit(format!(
                "{name}: {length} bytes, because all values together are too large"
            ));
        } else {
            return true;
        }
        false
    }

    /// The bytes of a value. `None` if they must be read first.
    fn value(&mut self, row: &Row<'a>, length: u64, span: &Range<u64>) -> Result<Option<&'a [u8]>, String> {
        let inside = usize::try_from(length).ok().and_then(|length| row.inside.get(..length));
        if inside.is_some() {
            return Ok(inside);
        }
        let offset = self.order.number(row.inside);
        // A valid value lies behind the header and outside of its own table.
        if offset < 8 || offset < span.end && offset.saturating_add(length) > span.start {
            return Err("its value lies in the header or in its own table".to_owned());
        }
        match self.block.get(offset, length) {
            Ok(value) => Ok(Some(value)),
            Err(Missing::PastEnd) => Err("its value lies outside the EXIF".to_owned()),
            Err(Missing::NotRead(range)) => {
                self.unread.push(range);
                Ok(None)
            }
        }
    }

    /// Converts a value to a type that `kamadak-exif` knows.
    fn known_type(&self, kind: u16, value: &'a [u8]) -> Result<(u16, Cow<'a, [u8]>), String> {
        Ok(match kind {
            kind::ASCII | kind::UTF8 => (kind::ASCII, Cow::Borrowed(texts(value))),
            kind::IFD => (kind::LONG, Cow::Borrowed(value)),
            kind::LONG8 | kind::SLONG8 | kind::IFD8 => {
                let narrow = value.chunks_exact(8).map(|wide| {
                    let number = u32::try_from(self.order.number(wide));
                    number.map(|number| self.order.long(number))
                });
                let narrow: Result<Vec<_>, _> = narrow.collect();
                let narrow = narrow.map_err(|_| "left out, because a number has more than 32 bits")?;
                (kind::LONG, Cow::Owned(narrow.concat()))
            }
            known => (known, Cow::Borrowed(value)),
        })
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

/// How much of the limit for all values together a value uses.
fn taken_bytes(row: &Row<'_>, length: u64, is_text: bool) -> u64 {
    if is_text { length } else { row.count * NUMBER_BYTES }
}
