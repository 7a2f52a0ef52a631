//! TIFF and `BigTIFF`, and EXIF blocks, in place: the rows that stay are closed up in their table, and every byte that none of
//! them needs becomes zero. So all offsets stay the same.
//!
//! Sources: TIFF 6.0; the `GeoTIFF` specification, 2.4; CIPA DC-008 (Exif 3.0), 4.6.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::pieces::Pieces;
use super::{Job, Stop, exif, iptc, photoshop, unsupported, xmp};
use crate::metadata::tiff::directory::{self, Directory, Entry};
use crate::metadata::tiff::kind;
use crate::metadata::tiff::order::Order;
use crate::metadata::view::{FileView, Missing};

const NEW_SUBFILE_TYPE: u16 = 254;
const SUBFILE_TYPE: u16 = 255;
const COMPRESSION: u16 = 259;
const IMAGE_DESCRIPTION: u16 = 270;
const STRIP_OFFSETS: u16 = 273;
const STRIP_LENGTHS: u16 = 279;
const TILE_OFFSETS: u16 = 324;
const TILE_LENGTHS: u16 = 325;
const SUB_TABLES: u16 = 330;
const JPEG_TABLES: u16 = 347;
const JPEG_OFFSET: u16 = 513;
const JPEG_LENGTH: u16 = 514;
const XMP: u16 = 700;
const ARTIST: u16 = 315;
const COPYRIGHT: u16 = 33432;
const IPTC: u16 = 33723;
const PHOTOSHOP: u16 = 34377;
const EXIF: u16 = 34665;
const ICC: u16 = 34675;
const GPS: u16 = 34853;
const INTEROP: u16 = 40965;

/// Pictures of their own, with a place of their own.
const DATA: [(u16, u16); 3] = [
    (STRIP_OFFSETS, STRIP_LENGTHS),
    (TILE_OFFSETS, TILE_LENGTHS),
    (JPEG_OFFSET, JPEG_LENGTH),
];

/// What is needed to show a picture: its size and samples, its compression, where its data is, its colours, density and
/// orientation. None of these is a text.
const PICTURE: [u16; 51] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 286, 287, 290,
    291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340, 341, 342, 347,
    529, 530, 531,
];
const PICTURE_TOO: [u16; 3] = [532, 559, ICC];

/// What tells a place, or may tell one and cannot be read: GPS, `GeoTIFF`, GDAL, maker notes, and private data of programs.
const PLACES: [u16; 13] = [
    GPS, 33550, 33920, 33922, 34264, 34735, 34736, 34737, 37500, 37724, 42112, 50740, 59932,
];

/// Compressions whose data holds nothing but samples (TIFF 6.0, section 3; `LibTIFF`'s list).
const PLAIN: [u64; 17] = [
    1, 2, 3, 4, 5, 8, 32766, 32771, 32773, 32809, 32908, 32909, 32946, 34676, 34677, 34925, 50000,
];
const LERC: u64 = 34887;
const JPEG: u64 = 7;

/// The most tables, and the most rows of a table.
const MAX_TABLES: usize = 1024;
const MAX_PIECES: u64 = 1024 * 1024;

/// How the EXIF of a description in JSON begins that Mapillary's apps write.
const MAPILLARY: &str = "\"MAP";

/// A TIFF file.
pub fn write(job: &mut Job<'_>) -> Result<Pieces, Stop> {
    let mut walk = Walk::new(job.file, job.is_all(), true);
    if job.is_all() && job.options.keep_copyright {
        walk.new_blocks = [
            (IPTC, kind::UNDEFINED, job.copyright.iptc.clone()),
            (XMP, 1, job.copyright.xmp.clone()),
        ]
        .into_iter()
        .filter(|(.., block)| !block.is_empty())
        .collect();
        walk.keeps_copyright = true;
    }
    walk.chain()?;
    if walk.pages == 0 {
        return unsupported("the file has no picture in full resolution");
    }
    if !walk.new_blocks.is_empty() {
        job.warnings
            .push("the copyright in XMP or IPTC is lost, because the file has no room for it".to_owned());
    }
    Ok(walk.pieces())
}

/// An EXIF block.
pub fn without_places(block: &FileView) -> Result<Pieces, Stop> {
    let mut walk = Walk::new(block, false, false);
    walk.chain()?;
    Ok(walk.pieces())
}

struct Walk<'a> {
    file: &'a FileView,
    is_all: bool,
    /// Whether this is a file, and not an EXIF block.
    is_file: bool,
    keeps_copyright: bool,
    /// What the first page gets: tag, type, and bytes.
    new_blocks: Vec<(u16, u16, Vec<u8>)>,
    visited: Vec<u64>,
    pages: usize,
    kept: Vec<Range<u64>>,
    /// By where they lie.
    new: BTreeMap<u64, Bytes>,
    /// What is added behind the end, and where.
    appended: Vec<u8>,
}

/// What a row becomes.
enum Fate {
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
    /// A table behind a tag.
    Below,
}

impl<'a> Walk<'a> {
    fn new(file: &'a FileView, is_all: bool, is_file: bool) -> Self {
        Self {
            file,
            is_all,
            is_file,
            keeps_copyright: false,
            new_blocks: Vec::new(),
            visited: Vec::new(),
            pages: 0,
            kept: Vec::new(),
            new: BTreeMap::new(),
            appended: Vec::new(),
        }
    }

    /// The tables that follow each other. Those that are removed are left out of the chain.
    fn chain(&mut self) -> Result<(), Stop> {
        let first = directory::main(self.file, 0).map_err(|missing| self.damaged(missing))?;
        let header = if first.wide { 16 } else { 8 };
        self.kept.push(0..header);
        // Where the offset of the next table is written.
        let mut link = header - if first.wide { 8 } else { 4 };
        let (order, wide) = (first.order, first.wide);
        self.visited.push(first.span.start - first.base);
        let mut next = Some(first);
        while let Some(table) = next {
            let place = if self.is_file || self.pages == 0 {
                Place::Page
            } else {
                Place::Thumbnail
            };
            let after = table.next(self.file)?;
            if self.takes(&table, place)? {
                self.set_number(link, table.span.start, order, wide);
                link = self.table(&table, place)?;
                self.pages += 1;
            }
            next = match after {
                Some(offset) => self.followed(&table, offset)?,
                None => None,
            };
        }
        self.set_number(link, 0, order, wide);
        Ok(())
    }

    fn damaged(&self, missing: Missing) -> Stop {
        match missing {
            Missing::PastEnd => Stop::Unsupported("the file has no table where it says".to_owned()),
            unread @ Missing::NotRead(_) => unread.into(),
        }
    }

    /// Another table. `None` if it is damaged, or was visited.
    fn followed(&mut self, from: &Directory, offset: u64) -> Result<Option<Directory>, Stop> {
        if self.visited.contains(&offset) || self.visited.len() == MAX_TABLES {
            return Ok(None);
        }
        self.visited.push(offset);
        match from.table(self.file, offset) {
            Ok(table) => Ok(Some(table)),
            Err(Missing::PastEnd) => Ok(None),
            Err(unread) => Err(unread.into()),
        }
    }

    /// Whether a table of the chain stays.
    fn takes(&self, table: &Directory, place: Place) -> Result<bool, Stop> {
        match place {
            Place::Page if self.is_all => {
                let is_reduced = table.number(self.file, NEW_SUBFILE_TYPE)?.is_some_and(|kind| kind & 1 == 1)
                    || table.number(self.file, SUBFILE_TYPE)? == Some(2);
                Ok(!is_reduced)
            }
            Place::Thumbnail => {
                let number = |tag| table.number(self.file, tag);
                let (Some(start), Some(length)) = (number(JPEG_OFFSET)?, number(JPEG_LENGTH)?) else {
                    return Ok(true);
                };
                match self.file.get(start, length) {
                    Ok(jpeg) => Ok(!exif::has_metadata(jpeg)),
                    Err(Missing::PastEnd) => Ok(false),
                    Err(unread) => Err(unread.into()),
                }
            }
            Place::Page | Place::Below => Ok(true),
        }
    }

    /// Writes a table again. Returns where the offset of the next one is.
    fn table(&mut self, table: &Directory, place: Place) -> Result<u64, Stop> {
        let is_picture = self.is_file && place != Place::Below || self.is_file && self.has_data(table)?;
        if is_picture {
            self.check_compression(table)?;
        }
        let mut rows: Vec<Entry> = Vec::new();
        for row in &table.rows {
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

    fn has_data(&self, table: &Directory) -> Result<bool, Stop> {
        Ok(table.number(self.file, STRIP_OFFSETS)?.is_some() || table.number(self.file, TILE_OFFSETS)?.is_some())
    }

    fn fate(&mut self, table: &Directory, row: &Entry) -> Result<Fate, Stop> {
        if self.is_all {
            let is_kept = PICTURE.contains(&row.tag) || PICTURE_TOO.contains(&row.tag);
            let is_text = matches!(row.kind, kind::ASCII | kind::UTF8);
            let is_copyright = self.keeps_copyright && matches!(row.tag, ARTIST | COPYRIGHT);
            return Ok(if is_kept && !is_text || is_copyright && self.pages == 0 {
                Fate::Kept
            } else {
                Fate::Removed
            });
        }
        if PLACES.contains(&row.tag) {
            return Ok(Fate::Removed);
        }
        let bytes = match row.tag {
            XMP | IPTC | PHOTOSHOP | IMAGE_DESCRIPTION if !row.is_inside() => {
                match self.file.get(table.offset(row), row.length()) {
                    Ok(bytes) => bytes,
                    Err(Missing::PastEnd) => return Ok(Fate::Removed),
                    Err(unread) => return Err(unread.into()),
                }
            }
            _ => return Ok(Fate::Kept),
        };
        Ok(match row.tag {
            XMP => xmp::without_places(bytes, None).map_or(Fate::Removed, Fate::Replaced),
            IPTC if iptc::is_block(bytes) => Fate::Replaced(iptc::without_places(bytes)),
            // In another byte order, or damaged.
            IPTC => Fate::Removed,
            PHOTOSHOP => Fate::Replaced(photoshop::without_places(bytes)),
            _ if is_of_mapillary(bytes) => Fate::Removed,
            _ => Fate::Kept,
        })
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
            self.kept.push(start..start + row.length());
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
            if let Some(below) = self.followed(table, offset)? {
                let link = self.table(&below, Place::Below)?;
                self.set_number(link, 0, below.order, below.wide);
                offsets.push(offset);
            }
        }
        if offsets.is_empty() {
            return Ok(None);
        }
        let mut row = row.clone();
        let width = usize::try_from(row.size).unwrap_or(4);
        let value: Vec<u8> = offsets.iter().flat_map(|offset| number(*offset, width, table.order)).collect();
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
            self.new.insert(start, value.into());
        }
        row
    }

    /// The pictures of a table.
    fn data(&mut self, table: &Directory, rows: &[Entry]) -> Result<(), Stop> {
        for (offsets, lengths) in DATA {
            let Some(row) = rows.iter().find(|row| row.tag == offsets) else {
                continue;
            };
            if row.count > MAX_PIECES {
                return unsupported(format!("a picture in more than {MAX_PIECES} strips or tiles"));
            }
            for index in 0..row.count {
                let number = |tag| table.number_at(self.file, tag, index);
                let (Some(start), Some(length)) = (number(offsets)?, number(lengths)?) else {
                    if self.is_file {
                        return unsupported("a strip or a tile without a length");
                    }
                    break;
                };
                let end = start.saturating_add(length).min(self.file.size());
                if start < end {
                    self.kept.push(start..end);
                }
            }
        }
        Ok(())
    }

    /// Refuses pictures whose data can hold metadata.
    fn check_compression(&self, table: &Directory) -> Result<(), Stop> {
        let compression = table.number(self.file, COMPRESSION)?.unwrap_or(1);
        if PLAIN.contains(&compression) || compression == LERC {
            return Ok(());
        }
        if compression != JPEG {
            return unsupported(format!("TIFF with compression {compression}, whose data can hold metadata"));
        }
        let tables = table.bytes(JPEG_TABLES).into_iter().collect::<Vec<_>>();
        let mut parts = tables;
        for (offsets, lengths) in &DATA[..2] {
            for index in 0..MAX_PIECES {
                let number = |tag: &u16| table.number_at(self.file, *tag, index);
                let (Some(start), Some(length)) = (number(offsets)?, number(lengths)?) else {
                    break;
                };
                parts.push((start, length));
            }
        }
        for (start, length) in parts {
            match self.file.get(start, length) {
                Ok(jpeg) if exif::has_metadata(jpeg) => return unsupported("JPEG inside TIFF with metadata of its own"),
                Ok(_) | Err(Missing::PastEnd) => {}
                Err(unread) => return Err(unread.into()),
            }
        }
        Ok(())
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
        out.extend(vec![0; offset_bytes]);
        self.new.insert(table.span.start, out.into());
        link
    }

    /// Writes a number over what is there: into a new table, or into the header.
    fn set_number(&mut self, at: u64, value: u64, order: Order, wide: bool) {
        let bytes = number(value, if wide { 8 } else { 4 }, order);
        if let Some((start, table)) = self.new.range_mut(..at).next_back() {
            let inside = usize::try_from(at - start).unwrap_or(usize::MAX);
            if inside + bytes.len() <= table.len() {
                let mut changed = table.to_vec();
                changed[inside..inside + bytes.len()].copy_from_slice(&bytes);
                *table = changed.into();
                return;
            }
        }
        self.new.insert(at, bytes.into());
    }

    /// What stays and what is new, with zeros between.
    fn pieces(mut self) -> Pieces {
        let size = self.file.size();
        self.kept.sort_by_key(|range| range.start);
        let mut pieces = Pieces::default();
        let mut kept = self.kept.iter();
        let mut next_kept = kept.next();
        let mut new = self.new.iter().peekable();
        loop {
            let at = pieces.length();
            // New bytes win over old ones.
            let new_start = new.peek().map_or(u64::MAX, |(start, _)| **start);
            while next_kept.is_some_and(|range| range.end <= at) {
                next_kept = kept.next();
            }
            let kept_start = next_kept.map_or(u64::MAX, |range| range.start.max(at));
            if new_start == u64::MAX && kept_start == u64::MAX {
                break;
            }
            if new_start <= kept_start {
                pieces.zeros(new_start.saturating_sub(at));
                if let Some((start, bytes)) = new.next() {
                    // Two new parts that overlap come from two tables that do.
                    let known = usize::try_from(pieces.length() - start).unwrap_or(usize::MAX);
                    pieces.put(bytes.slice(known.min(bytes.len())..));
                }
            } else if let Some(range) = next_kept {
                pieces.zeros(kept_start - at);
                pieces.keep(kept_start..range.end.min(new_start).min(size));
            }
        }
        if !self.appended.is_empty() {
            let end = size.next_multiple_of(2);
            pieces.zeros(end.saturating_sub(pieces.length()));
            pieces.put(self.appended);
        }
        pieces
    }
}

fn number(value: u64, width: usize, order: Order) -> Vec<u8> {
    match order {
        Order::Little => value.to_le_bytes()[..width].to_vec(),
        Order::Big => value.to_be_bytes()[8 - width..].to_vec(),
    }
}

/// Mapillary's apps write what they know as JSON.
fn is_of_mapillary(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    text.first() == Some(&b'{') && memchr::memmem::find(text, MAPILLARY.as_bytes()).is_some()
}
