//! The tables of a TIFF structure, copied together with their small values into one compact block.
//!
//! In a file the tables may lie anywhere, hundreds of megabytes apart. What `kamadak-exif` gets is
//! small, holds only what a record takes, and is sound: every offset and count in it was checked.
//!
//! Tables, entries and types: TIFF 6.0, section 2; the EXIF tables: CIPA DC-008 (Exif 3.0), 4.6;
//! 64-bit tables: the `BigTIFF` proposal, magic number 43.

use std::borrow::Cow;
use std::ops::Range;

use super::block::Block;
use super::parts::Gap;
use super::table::Table;
use super::warnings::Warnings;

/// More numbers than this, or more bytes of no known meaning, are left out.
const MOST_VALUES: u64 = 64;

/// A longer text is left out.
const MOST_TEXT: u64 = 128 * 1024;

/// A field may hold several texts, each ended by a NUL. Of more than this only the first are taken.
const MOST_TEXTS: usize = 16;

/// In all tables together. Real files have fewer than 200.
const MOST_ENTRIES: u64 = 1024;

/// What all values together may take beyond the block's own size: in a hostile file a thousand entries
/// point to the same text.
const SPARE_BYTES: u64 = 16 * 1024;
const MOST_BYTES: u64 = 256 * 1024;

/// A table with more damaged entries than this is rubbish from there on.
const MOST_DAMAGED: u32 = 10;

/// Parts of the file closer together than this are asked for in one read: the bytes between them cost
/// less than a request.
const NEAR: u64 = 128 * 1024;

/// Types of values.
mod kind {
    pub const BYTE: u16 = 1;
    pub const ASCII: u16 = 2;
    pub const SHORT: u16 = 3;
    pub const LONG: u16 = 4;
    pub const UNDEFINED: u16 = 7;
    pub const SLONG: u16 = 9;
    pub const IFD: u16 = 13;
    pub const LONG8: u16 = 16;
    pub const IFD8: u16 = 18;
    /// Exif 3.0.
    pub const UTF8: u16 = 129;

    /// In bytes.
    pub fn size(kind: u16) -> Option<u64> {
        Some(match kind {
            BYTE | ASCII | 6 | UNDEFINED | UTF8 => 1,
            SHORT | 8 => 2,
            LONG | SLONG | 11 | IFD => 4,
            5 | 10 | 12 | LONG8 | 17 | IFD8 => 8,
            _ => return None,
        })
    }
}

/// The compact block, as `kamadak-exif` reads it. Empty when there is nothing in it. `Err`: the ranges
/// of the file that have to be read first.
pub fn compact(block: &Block, warnings: &mut Warnings) -> Result<Vec<u8>, Vec<Range<u64>>> {
    let mut walk = Walk {
        block,
        order: Order::Little,
        wide: false,
        unread: Vec::new(),
        entries_left: MOST_ENTRIES,
        bytes_left: block.length().saturating_add(SPARE_BYTES).min(MOST_BYTES),
        visited: Vec::new(),
        warnings,
    };
    let tables = walk.tables();
    if !walk.unread.is_empty() {
        return Err(coalesce(walk.unread));
    }
    Ok(write(walk.order, &tables))
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

/// The entries of each table, in the order of [`Table::ALL`].
type Tables<'a> = [Vec<Entry<'a>>; Table::ALL.len()];

struct Entry<'a> {
    tag: u16,
    /// One that `kamadak-exif` knows.
    kind: u16,
    value: Cow<'a, [u8]>,
}

struct Walk<'a, 'w> {
    block: &'a Block<'a>,
    order: Order,
    /// Offsets and counts have 8 bytes.
    wide: bool,
    /// What has to be read before the walk can end.
    unread: Vec<Range<u64>>,
    entries_left: u64,
    bytes_left: u64,
    /// Where the tables read so far start.
    visited: Vec<u64>,
    warnings: &'w mut Warnings,
}

impl<'a> Walk<'a, '_> {
    fn tables(&mut self) -> Tables<'a> {
        let mut tables = Tables::default();
        let Some(first) = self.header() else { return tables };
        let mut to_read = vec![(Table::Ifd0, first)];
        while let Some((table, offset)) = to_read.pop() {
            if self.visited.contains(&offset) {
                self.warnings.add(format!("{table}: lies where another table is"));
                continue;
            }
            self.visited.push(offset);
            tables[table as usize] = self.table(table, offset, &mut to_read);
        }
        tables
    }

    /// What a read gave; what is unread is noted, what is not in the block is `None` too.
    fn got<T>(&mut self, result: Result<T, Gap>) -> Result<Option<T>, ()> {
        match result {
            Ok(got) => Ok(Some(got)),
            Err(Gap::End) => Ok(None),
            Err(Gap::Unread(range)) => {
                self.unread.push(range);
                Err(())
            }
        }
    }

    /// Takes in the byte order; the offset of the first table.
    fn header(&mut self) -> Option<u64> {
        let Some(header) = self.got(self.block.array::<8>(0)).ok()? else {
            self.warnings.add("EXIF: too short");
            return None;
        };
        self.order = match &header[..2] {
            b"II" => Order::Little,
            b"MM" => Order::Big,
            _ => {
                self.warnings.add("EXIF: no TIFF header");
                return None;
            }
        };
        // Whatever stands in the place of 42 elsewhere, tables follow.
        self.wide = self.order.number(&header[2..4]) == 43;
        if !self.wide {
            return Some(self.order.number(&header[4..]));
        }
        let Some(offset) = self.got(self.block.array::<8>(8)).ok()? else {
            self.warnings.add("EXIF: too short");
            return None;
        };
        Some(self.order.number(&offset))
    }

    /// The entries of a table; the tables that it points to are added `to_read`.
    fn table(&mut self, table: Table, offset: u64, to_read: &mut Vec<(Table, u64)>) -> Vec<Entry<'a>> {
        self.try_table(table, offset, to_read).unwrap_or_default()
    }

    fn try_table(&mut self, table: Table, offset: u64, to_read: &mut Vec<(Table, u64)>) -> Option<Vec<Entry<'a>>> {
        let (count_size, entry_size) = if self.wide { (8, 20) } else { (2, 12) };
        let Some(count) = self.got(self.block.get(offset, count_size)).ok()? else {
            self.warnings.add(format!("{table}: lies outside the EXIF"));
            return None;
        };
        let count = self.order.number(count);
        let start = offset + count_size;
        let fitting = (self.block.length() - start) / entry_size;
        if count > fitting {
            self.warnings
                .add(format!("{table}: only {fitting} of {count} fields are there"));
        }
        if count.min(fitting) > self.entries_left {
            self.warnings.add(format!(
                "{table}: only {} of {count} fields were read",
                self.entries_left
            ));
        }
        let count = count.min(fitting).min(self.entries_left);
        self.entries_left -= count;
        let size = count * entry_size;
        let rows = self.got(self.block.get(start, size)).ok()??;
        let span = offset..start + size;

        let mut entries = Vec::with_capacity(rows.len() / 12);
        let mut damaged = 0;
        for (index, row) in rows.chunks_exact(usize::try_from(entry_size).ok()?).enumerate() {
            let row = Row::new(self.order, row);
            // As ExifTool does: a first field of no type is no field, and this no table.
            let is_table = index > 0 || kind::size(row.kind).is_some();
            match self.entry(table, &row, &span) {
                Ok(Found::Entry(entry)) => entries.push(entry),
                Ok(Found::Table(child, at)) => to_read.push((child, at)),
                Ok(Found::Nothing) => {}
                Err(damage) => {
                    self.warnings.add(format!("{}: {damage}", table.tag_name(row.tag)));
                    damaged += 1;
                }
            }
            if !is_table || damaged > MOST_DAMAGED {
                self.warnings.add(format!("{table}: damaged, the rest of it left out"));
                break;
            }
        }
        if table == Table::Ifd0 {
            let next = self.got(self.block.get(span.end, count_size.max(4))).ok()?;
            let next = next.map_or(0, |next| self.order.number(next));
            if next != 0 {
                to_read.push((Table::Ifd1, next));
            }
        }
        Some(entries)
    }

    /// One field. `Err`: what is wrong with it. `table_span` is where its table lies in the block.
    fn entry(&mut self, table: Table, row: &Row<'a>, table_span: &Range<u64>) -> Result<Found<'a>, String> {
        let Some(size) = kind::size(row.kind) else {
            // Tables are padded with zeros.
            return if row.kind == 0 {
                Ok(Found::Nothing)
            } else {
                Err(format!("type {} is unknown", row.kind))
            };
        };
        let length = size.checked_mul(row.count).ok_or("its length is out of range")?;
        if row.count == 0 {
            return Ok(Found::Nothing);
        }
        if table == Table::Ifd1 && Table::Ifd0.child(row.tag).is_some() {
            // The tables of the thumbnail are of no interest, and must not be taken for the image's.
            return Ok(Found::Nothing);
        }
        if let Some(child) = table.child(row.tag) {
            let offset = row.inside.get(..usize::try_from(size).unwrap_or_default());
            return match (row.kind, offset) {
                (kind::SHORT | kind::LONG | kind::SLONG | kind::IFD | kind::LONG8 | kind::IFD8, Some(offset)) => {
                    Ok(Found::Table(child, self.order.number(offset)))
                }
                _ => Err(format!("type {} is no offset", row.kind)),
            };
        }
        let is_text = matches!(row.kind, kind::ASCII | kind::UTF8)
            || matches!(row.kind, kind::BYTE | kind::UNDEFINED) && table.is_text(row.tag);
        let name = || table.tag_name(row.tag);
        if if is_text {
            length > MOST_TEXT
        } else {
            row.count > MOST_VALUES
        } {
            let unit = if size == 1 { "bytes" } else { "values" };
            self.warnings.add(format!("{}: {} {unit} left out", name(), row.count));
            return Ok(Found::Nothing);
        }
        let value = match usize::try_from(length).ok().and_then(|length| row.inside.get(..length)) {
            Some(inside) => inside,
            None => {
                let offset = self.order.number(row.inside);
                // Values lie behind the header and not in their own table.
                if offset < 8 || offset < table_span.end && offset.saturating_add(length) > table_span.start {
                    return Err("its value lies in the tables".to_owned());
                }
                match self.got(self.block.get(offset, length)) {
                    Ok(Some(value)) => value,
                    Ok(None) => return Err("its value lies outside the EXIF".to_owned()),
                    Err(()) => return Ok(Found::Nothing),
                }
            }
        };
        let (kind, value) = match row.kind {
            kind::ASCII | kind::UTF8 => (kind::ASCII, Cow::Borrowed(texts(value))),
            kind::IFD => (kind::LONG, Cow::Borrowed(value)),
            16..=18 => {
                let narrow = value.chunks_exact(8).map(|wide| u32::try_from(self.order.number(wide)));
                let narrow: Vec<[u8; 4]> = narrow
                    .map(|number| number.map(|number| self.order.long(number)))
                    .collect::<Result<_, _>>()
                    .map_err(|_| "a number of more than 32 bits, left out")?;
                (kind::LONG, Cow::Owned(narrow.concat()))
            }
            known => (known, Cow::Borrowed(value)),
        };
        if value.is_empty() {
            return Ok(Found::Nothing);
        }
        let Some(left) = self.bytes_left.checked_sub(value.len() as u64) else {
            return Err(format!("{length} bytes left out: too much in all"));
        };
        self.bytes_left = left;
        Ok(Found::Entry(Entry {
            tag: row.tag,
            kind,
            value,
        }))
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
    Entry(Entry<'a>),
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

/// Joins what lies near, in the order of the file.
fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(NEAR) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Writes header, tables and then the values that do not fit into their entries.
fn write(order: Order, tables: &Tables) -> Vec<u8> {
    const HEADER: usize = 8;
    const IN_PLACE: usize = 4;
    if tables.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    fn is_there(tables: &Tables, table: Table) -> bool {
        !tables[table as usize].is_empty() || table.children().iter().any(|&child| is_there(tables, child))
    }
    let pointers = |table: Table| {
        let children = table.children().iter().copied();
        children.filter(|&child| is_there(tables, child))
    };
    let size = |table: Table| 2 + 12 * (tables[table as usize].len() + pointers(table).count()) + 4;

    // Every table is written, if only for its pointers; an empty one costs six bytes.
    let mut starts = [0; Table::ALL.len()];
    let mut values_start = HEADER;
    for table in Table::ALL {
        starts[table as usize] = values_start;
        values_start += size(table);
    }
    let long = |number: usize| order.long(u32::try_from(number).expect("the block is small"));
    let count = |number: usize| order.short(u16::try_from(number).expect("the tables are small"));

    let mut out = Vec::with_capacity(values_start + 4096);
    let mut values = Vec::with_capacity(4096);
    out.extend_from_slice(if order == Order::Little { b"II*\0" } else { b"MM\0*" });
    out.extend(long(HEADER));
    for table in Table::ALL {
        let entries = &tables[table as usize];
        out.extend(count(entries.len() + pointers(table).count()));
        for entry in entries {
            out.extend(order.short(entry.tag));
            out.extend(order.short(entry.kind));
            let unit = kind::size(entry.kind).and_then(|size| usize::try_from(size).ok());
            out.extend(long(entry.value.len() / unit.expect("its type is known")));
            if entry.value.len() <= IN_PLACE {
                let mut padded = [0; IN_PLACE];
                padded[..entry.value.len()].copy_from_slice(&entry.value);
                out.extend(padded);
            } else {
                out.extend(long(values_start + values.len()));
                values.extend_from_slice(&entry.value);
            }
        }
        for child in pointers(table) {
            out.extend(order.short(child.pointer().expect("children have pointers")));
            out.extend(order.short(kind::LONG));
            out.extend(long(1));
            out.extend(long(starts[child as usize]));
        }
        let next = table == Table::Ifd0 && is_there(tables, Table::Ifd1);
        out.extend(long(if next { starts[Table::Ifd1 as usize] } else { 0 }));
    }
    out.append(&mut values);
    out
}
