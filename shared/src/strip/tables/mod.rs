//! The tables of TIFF files and of EXIF blocks, in place: the rows that stay are closed up in their table, and every byte that none of
//! them needs becomes zero. So all offsets stay the same.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tags`] | tags, and which of them stay |
//! | [`pictures`] | the pictures of a table |
//!
//! Sources: TIFF 6.0; the `GeoTIFF` specification, 2.4; CIPA DC-008 (Exif 3.0), 4.6.

mod pictures;
mod tags;

use super::Stop;
use super::overlay::Overlay;
use super::pieces::Pieces;
use crate::metadata::tiff::directory::{self, Directory, Entry};
use crate::metadata::tiff::kind;
use crate::metadata::tiff::order::Order;
use crate::metadata::view::{FileView, Missing};
use tags::{ARTIST, COMPRESSION, COPYRIGHT, JPEG_LENGTH, JPEG_OFFSET, JPEG_PROCESS, LAYERS, OLD_JPEG, tells_place};
pub use tags::{DATA, EXIF, GPS, ICC, IMAGE_DESCRIPTION, INTEROP, IPTC, PHOTOSHOP, SUB_TABLES, XMP, shows_picture};

/// Nothing else lies in the first bytes.
const HEADER_BYTES: u64 = 8;

/// A table with more rows of an unknown type is rubbish. It could keep anything.
const MAX_DAMAGED_ROWS: u64 = 10;

/// The most tables of a file.
const MAX_TABLES: usize = 1024;

/// What becomes of a block or a description in a table: its tag, and its bytes.
pub type Cleaner = fn(u16, &[u8]) -> Fate;

/// An EXIF block.
pub fn without_places(block: &FileView, cleaned: Cleaner) -> Result<Pieces, Stop> {
    let mut walk = Walk::new(block, Aim::Block, cleaned);
    walk.chain()?;
    Ok(walk.pieces())
}

/// What is written.
#[derive(Clone, Copy, PartialEq)]
pub enum Aim {
    /// A file with its pictures alone.
    Picture,
    /// The same, with the copyright.
    Copyright,
    /// A file without places.
    File,
    /// An EXIF block without places.
    Block,
}

impl Aim {
    fn is_all(self) -> bool {
        matches!(self, Self::Picture | Self::Copyright)
    }

    fn is_file(self) -> bool {
        self != Self::Block
    }
}

pub struct Walk<'a> {
    file: &'a FileView,
    aim: Aim,
    cleaned: Cleaner,
    /// What the first page gets: tag, type, and bytes.
    pub new_blocks: Vec<(u16, u16, Vec<u8>)>,
    visited: Vec<u64>,
    pub pages: usize,
    /// Strips and tiles so far.
    strips: u64,
    /// Whether layers of Photoshop are lost.
    pub has_layers: bool,
    out: Overlay,
    /// What is added behind the end, and where.
    appended: Vec<u8>,
}

/// What a row becomes.
pub enum Fate {
    Kept,
    Removed,
    /// Another value.
    Replaced(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A page of a file, or the main table of a block.
    Page,
    /// What comes after the main table of a block: the thumbnail.
    Thumbnail,
}

impl<'a> Walk<'a> {
    pub fn new(file: &'a FileView, aim: Aim, cleaned: Cleaner) -> Self {
        Self {
            file,
            aim,
            cleaned,
            new_blocks: Vec::new(),
            visited: Vec::new(),
            pages: 0,
            strips: 0,
            has_layers: false,
            out: Overlay::default(),
            appended: Vec::new(),
        }
    }

    /// The tables that follow each other. Those that are removed are left out of the chain.
    pub fn chain(&mut self) -> Result<(), Stop> {
        let first = directory::main(self.file, 0).map_err(damaged)?;
        let header = if first.wide { 16 } else { 8 };
        self.out.keep(0..header);
        // Where the offset of the next table is written.
        let mut link = header - if first.wide { 8 } else { 4 };
        let (order, wide) = (first.order, first.wide);
        if first.span.start < HEADER_BYTES {
            return Err(damaged(Missing::PastEnd));
        }
        self.visited.push(first.span.start);
        let mut next = Some(first);
        while let Some(table) = next {
            let place = if self.aim.is_file() || self.pages == 0 {
                Place::Page
            } else {
                Place::Thumbnail
            };
            let after = table.next(self.file)?;
            if self.takes(&table, place)? {
                self.out.put(link, pointer(table.span.start, order, wide));
                link = self.table(&table)?;
                self.pages += 1;
            }
            next = match after {
                Some(offset) => self.followed(&table, offset)?,
                None => None,
            };
            // Without an offset, some writers have a value in its place.
            if next.is_none() && after.is_some() {
                self.out.put(link, pointer(0, order, wide));
            }
        }
        Ok(())
    }

    /// Another table. `None` if it is damaged, or was visited.
    fn followed(&mut self, from: &Directory, offset: u64) -> Result<Option<Directory>, Stop> {
        let is_in_header = offset < HEADER_BYTES;
        if is_in_header || self.visited.contains(&offset) || self.visited.len() == MAX_TABLES {
            return Ok(None);
        }
        self.visited.push(offset);
        match from.table(self.file, offset) {
            Ok(table) => Ok(Some(table).filter(|table| table.damaged_rows() <= MAX_DAMAGED_ROWS)),
            Err(Missing::PastEnd) => Ok(None),
            Err(unread) => Err(unread.into()),
        }
    }

    /// Writes a table again. Returns where the offset of the next one is.
    fn table(&mut self, table: &Directory) -> Result<u64, Stop> {
        if self.aim.is_file() {
            self.check_pictures(table)?;
        }
        let mut rows: Vec<Entry> = Vec::new();
        let is_in_header = |row: &&Entry| !row.is_inside() && table.offset(row) < HEADER_BYTES;
        for row in table.rows.iter().filter(|row| !is_in_header(row)) {
            match self.fate(table, row)? {
                Fate::Kept => {
                    if let Some(row) = self.kept_row(table, row)? {
                        rows.push(row);
                    }
                }
                Fate::Removed => {}
                Fate::Replaced(value) => rows.push(self.replaced(table, row, value)),
            }
        }
        self.data(table, &rows)?;
        if self.pages == 0 {
            self.add_blocks(table, &mut rows);
        }
        Ok(self.put_table(table, &rows))
    }

    fn fate(&mut self, table: &Directory, row: &Entry) -> Result<Fate, Stop> {
        if self.aim.is_all() {
            let is_copyright = self.aim == Aim::Copyright && matches!(row.tag, ARTIST | COPYRIGHT);
            // Where a page is old JPEG, readers look for it here.
            let is_of_jpeg = matches!(row.tag, JPEG_PROCESS | JPEG_OFFSET | JPEG_LENGTH)
                && table.number(self.file, COMPRESSION)? == Some(OLD_JPEG);
            return Ok(if shows_picture(row) || is_of_jpeg || is_copyright && self.pages == 0 {
                Fate::Kept
            } else {
                Fate::Removed
            });
        }
        if tells_place(row.tag) {
            self.has_layers |= row.tag == LAYERS;
            return Ok(Fate::Removed);
        }
        if !matches!(row.tag, XMP | IPTC | PHOTOSHOP | IMAGE_DESCRIPTION) || row.is_inside() {
            return Ok(Fate::Kept);
        }
        match self.file.get(table.offset(row), row.length()) {
            Ok(bytes) => Ok((self.cleaned)(row.tag, bytes)),
            Err(Missing::PastEnd) => Ok(Fate::Removed),
            Err(unread) => Err(unread.into()),
        }
    }

    /// A row that stays, and what it needs. `None` if its value lies outside of the file.
    fn kept_row(&mut self, table: &Directory, row: &Entry) -> Result<Option<Entry>, Stop> {
        if matches!(row.tag, EXIF | INTEROP | SUB_TABLES) || row.kind == kind::IFD || row.kind == kind::IFD8 {
            return self.tables_below(table, row);
        }
        let mut row = row.clone();
        if row.is_inside() {
            let length = usize::try_from(row.length()).unwrap_or(0);
            row.inside[length..].fill(0);
        } else {
            let start = table.offset(&row);
            if start.saturating_add(row.length()) > self.file.size() {
                return Ok(None);
            }
            self.out.keep(start..start + row.length());
        }
        Ok(Some(row))
    }

    /// The row of a tag that points to other tables. `None` if none of them can be read.
    fn tables_below(&mut self, table: &Directory, row: &Entry) -> Result<Option<Entry>, Stop> {
        let mut offsets = Vec::new();
        for index in 0..row.count.min(MAX_TABLES as u64) {
            let Some(offset) = table.number_at(self.file, row.tag, index)? else {
                break;
            };
            let below = self.followed(table, offset)?;
            if let Some(below) = below.filter(|below| !below.rows.is_empty()) {
                self.table(&below)?;
                offsets.push(offset);
            }
        }
        if offsets.is_empty() {
            return Ok(None);
        }
        let mut row = row.clone();
        let width = usize::try_from(row.size).unwrap_or(4);
        let value: Vec<u8> = offsets
            .iter()
            .flat_map(|offset| number(*offset, width, table.order))
            .collect();
        Ok(Some(if row.is_inside() {
            row.count = offsets.len() as u64;
            row.inside.fill(0);
            row.inside[..value.len()].copy_from_slice(&value);
            row
        } else {
            self.replaced(table, &row, value)
        }))
    }

    /// A row with another value, which has at most as many bytes.
    fn replaced(&mut self, table: &Directory, row: &Entry, mut value: Vec<u8>) -> Entry {
        let mut row = row.clone();
        value.resize(value.len().next_multiple_of(usize::try_from(row.size).unwrap_or(1)), 0);
        let start = table.offset(&row);
        row.count = value.len() as u64 / row.size;
        if row.is_inside() {
            row.inside.fill(0);
            row.inside[..value.len()].copy_from_slice(&value);
        } else {
            self.out.put(start, value);
        }
        row
    }

    /// Adds rows with new blocks, as long as there is room for rows.
    fn add_blocks(&mut self, table: &Directory, rows: &mut Vec<Entry>) {
        let room = table.rows.len() - rows.len();
        let blocks: Vec<_> = self.new_blocks.drain(..room.min(self.new_blocks.len())).collect();
        for (tag, kind, block) in blocks {
            let mut row = Entry {
                tag,
                kind,
                size: 1,
                count: block.len() as u64,
                inside: vec![0; if table.wide { 8 } else { 4 }],
            };
            // Values start at even offsets.
            let end = self.file.size().next_multiple_of(2) + self.appended.len() as u64;
            let offset = number(end - table.base, row.inside.len(), table.order);
            row.inside.copy_from_slice(&offset);
            self.appended.extend_from_slice(&block);
            self.appended.extend(vec![0; block.len() % 2]);
            let at = rows.partition_point(|row| row.tag < tag);
            rows.insert(at, row);
        }
    }

    /// Writes the rows of a table over the old ones. Returns where the offset of the next table is.
    fn put_table(&mut self, table: &Directory, rows: &[Entry]) -> u64 {
        let (count_bytes, offset_bytes) = if table.wide { (8, 8) } else { (2, 4) };
        let order = table.order;
        let mut out = number(rows.len() as u64, count_bytes, order);
        for row in rows {
            out.extend(order.short(row.tag));
            out.extend(order.short(row.kind));
            out.extend(number(row.count, offset_bytes, order));
            out.extend_from_slice(&row.inside);
        }
        let link = table.span.start + out.len() as u64;
        // In a shorter table, the offset of the next one moves up.
        if link < table.span.end {
            out.extend(vec![0; offset_bytes]);
        } else {
            self.keep_link(table);
        }
        self.out.put(table.span.start, out);
        link
    }

    /// Keeps what comes behind a table, which should be the offset of the next one.
    fn keep_link(&mut self, table: &Directory) {
        let length = if table.wide { 8 } else { 4 };
        self.out
            .keep(table.span.end..(table.span.end + length).min(self.file.size()));
    }

    pub fn pieces(self) -> Pieces {
        let size = self.file.size();
        let mut pieces = self.out.into_pieces(size, 0);
        if !self.appended.is_empty() {
            pieces.zeros(size.next_multiple_of(2).saturating_sub(pieces.length()));
            pieces.put(self.appended);
        }
        pieces
    }
}

fn pointer(value: u64, order: Order, wide: bool) -> Vec<u8> {
    number(value, if wide { 8 } else { 4 }, order)
}

fn number(value: u64, width: usize, order: Order) -> Vec<u8> {
    match order {
        Order::Little => value.to_le_bytes()[..width].to_vec(),
        Order::Big => value.to_be_bytes()[8 - width..].to_vec(),
    }
}

fn damaged(missing: Missing) -> Stop {
    match missing {
        Missing::PastEnd => Stop::Unsupported("the file has no table where it says".to_owned()),
        unread @ Missing::NotRead(_) => unread.into(),
    }
}
