//! The pictures of a table.

use super::super::{Stop, embedded, unsupported};
use super::tags::{
    COMPRESSION, DATA, JPEG, JPEG_LENGTH, JPEG_OFFSET, JPEG_TABLES, NEW_SUBFILE_TYPE, OLD_JPEG, STRIP_OFFSETS,
    SUBFILE_TYPE, TILE_OFFSETS, is_plain,
};
use super::{Place, Walk};
use crate::metadata::tiff::directory::{Directory, Entry};
use crate::metadata::view::Missing;

/// The most strips or tiles of all pictures together: these, and one for each 16 bytes of the file. In a hostile file, many
/// tables can share a list of strips.
const SPARE_PIECES: u64 = 1024;
const BYTES_PER_PIECE: u64 = 16;

/// The most ranges that are kept of a file, apart from those that follow each other. Each takes memory.
const MAX_RANGES: usize = 256 * 1024;

impl Walk<'_> {
    /// Whether a table of the chain stays.
    pub(super) fn takes(&self, table: &Directory, place: Place) -> Result<bool, Stop> {
        match place {
            Place::Page if self.aim.is_all() => {
                let is_reduced = table
                    .number(self.file, NEW_SUBFILE_TYPE)?
                    .is_some_and(|kind| kind & 1 == 1)
                    || table.number(self.file, SUBFILE_TYPE)? == Some(2);
                Ok(!is_reduced)
            }
            Place::Thumbnail => {
                let number = |tag| table.number(self.file, tag);
                let (Some(start), Some(length)) = (number(JPEG_OFFSET)?, number(JPEG_LENGTH)?) else {
                    return Ok(true);
                };
                match self.file.get(start, length) {
                    Ok(jpeg) => Ok(!embedded::has_metadata(jpeg)),
                    Err(Missing::PastEnd) => Ok(false),
                    Err(unread) => Err(unread.into()),
                }
            }
            Place::Page => Ok(true),
        }
    }

    pub(super) fn has_data(&self, table: &Directory) -> Result<bool, Stop> {
        Ok(table.number(self.file, STRIP_OFFSETS)?.is_some() || table.number(self.file, TILE_OFFSETS)?.is_some())
    }

    /// The pictures of a table.
    pub(super) fn data(&mut self, table: &Directory, rows: &[Entry]) -> Result<(), Stop> {
        for (offsets, lengths) in DATA {
            let Some(row) = rows.iter().find(|row| row.tag == offsets) else {
                continue;
            };
            self.strips += row.count;
            if self.strips > self.max_pieces() {
                return unsupported("pictures in too many strips or tiles");
            }
            for index in 0..row.count {
                let number = |tag| table.number_at(self.file, tag, index);
                let (Some(start), Some(length)) = (number(offsets)?, number(lengths)?) else {
                    if self.aim.is_file() {
                        return unsupported("a strip or a tile without a length");
                    }
                    break;
                };
                let end = start.saturating_add(length).min(self.file.size());
                if start < end {
                    self.out.keep(start..end);
                }
                if self.out.ranges() > MAX_RANGES {
                    return unsupported("pictures all over the file");
                }
            }
        }
        Ok(())
    }

    fn max_pieces(&self) -> u64 {
        SPARE_PIECES + self.file.size() / BYTES_PER_PIECE
    }

    /// Refuses pictures whose data can hold metadata.
    pub(super) fn check_pictures(&self, table: &Directory) -> Result<(), Stop> {
        let mut jpegs = Vec::new();
        if self.has_data(table)? {
            let compression = table.number(self.file, COMPRESSION)?.unwrap_or(1);
            if compression == JPEG || compression == OLD_JPEG && self.has_whole_jpegs(table)? {
                jpegs.extend(table.bytes(JPEG_TABLES));
                // In old JPEG, the last pair of tags stays. Elsewhere, it names another picture.
                let pairs = if compression == OLD_JPEG { &DATA[..] } else { &DATA[..2] };
                jpegs.extend(self.places(table, pairs)?);
            } else if !is_plain(compression) {
                return unsupported(format!(
                    "TIFF with compression {compression}, whose data can hold metadata"
                ));
            }
        }
        if !self.aim.is_all() {
            jpegs.extend(self.places(table, &DATA[2..])?);
        }
        for (start, length) in jpegs {
            // What lies outside of the file is left out.
            let end = start.checked_add(length).filter(|end| *end <= self.file.size());
            if let Some(end) = end
                && embedded::has_metadata_in(self.file, start..end)?
            {
                return unsupported("JPEG inside TIFF with metadata of its own");
            }
        }
        Ok(())
    }

    /// Whether each strip is a JPEG of its own, which needs no tables from elsewhere.
    fn has_whole_jpegs(&self, table: &Directory) -> Result<bool, Stop> {
        for (start, length) in self.places(table, &DATA)? {
            let is_inside = start
                .checked_add(length.max(2))
                .is_some_and(|end| end <= self.file.size());
            if !is_inside || self.file.get(start, 2)? != [0xFF, 0xD8] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the parts of a picture lie.
    fn places(&self, table: &Directory, tags: &[(u16, u16)]) -> Result<Vec<(u64, u64)>, Stop> {
        let mut places = Vec::new();
        for (offsets, lengths) in tags {
            for index in 0..self.max_pieces() {
                let number = |tag: &u16| table.number_at(self.file, *tag, index);
                let (Some(start), Some(length)) = (number(offsets)?, number(lengths)?) else {
                    break;
                };
                places.push((start, length));
            }
        }
        Ok(places)
    }
}
