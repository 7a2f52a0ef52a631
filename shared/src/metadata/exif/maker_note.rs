//! A few fields of maker notes: Apple's identifiers, serial numbers, and names of lenses, where they are plain.
//!
//! Each maker has tables and offsets of its own, and no standard describes them. So what is not as expected is left out
//! without a warning. The names and numbers are those of ExifTool (`lib/Image/ExifTool/MakerNotes.pm` and the file of
//! each maker).

use serde_json::Value;

use super::Tags;
use crate::metadata::tiff::kind;
use crate::metadata::tiff::note::MakerNote;
use crate::metadata::tiff::order::Order;
use crate::metadata::tiff::row::Row;
use crate::metadata::tiff::table::TagName;

/// The number of a field, and its name.
type Field = (u16, &'static str);

const APPLE: &[Field] = &[(0x000B, "Apple:BurstUUID"), (0x0011, "Apple:ContentIdentifier")];
const CANON: &[Field] = &[
    (0x000C, "Canon:SerialNumber"),
    (0x0095, "Canon:LensModel"),
    (0x0096, "Canon:InternalSerialNumber"),
];
const FUJIFILM: &[Field] = &[(0x0010, "FujiFilm:InternalSerialNumber")];
const NIKON: &[Field] = &[(0x001D, "Nikon:SerialNumber")];
const OLYMPUS: &[Field] = &[
    (0x0101, "Olympus:SerialNumber"),
    (0x0102, "Olympus:InternalSerialNumber"),
    (0x0202, "Olympus:LensSerialNumber"),
    (0x0203, "Olympus:LensModel"),
];
const PANASONIC: &[Field] = &[
    (0x0025, "Panasonic:InternalSerialNumber"),
    (0x0051, "Panasonic:LensType"),
    (0x0052, "Panasonic:LensSerialNumber"),
];

/// In Olympus's table, the field that points to the table of the equipment.
const EQUIPMENT: u16 = 0x2010;

/// More rows are not read. Real tables have fewer than 200.
const MAX_ROWS: usize = 512;

/// A longer text is no serial number, and no name of a lens.
const MAX_TEXT_BYTES: usize = 256;

const ROW_BYTES: usize = 12;

/// A table in a note.
struct Table<'a> {
    note: &'a [u8],
    order: Order,
    /// Where in the note its rows start, with their number before them.
    start: usize,
    /// What must be added to an offset in the table. Then it counts from the start of the note.
    base: i64,
    fields: &'static [Field],
}

/// Adds the fields of a note. `make` is the camera's, because Canon's notes do not say whose they are.
pub fn add(note: &MakerNote<'_>, make: Option<&str>, tags: &mut Tags) {
    let Some(table) = Table::of(note, make) else { return };
    let table = if table.fields == OLYMPUS {
        let Some(start) = table.offset(EQUIPMENT) else { return };
        Table { start, ..table }
    } else {
        table
    };
    for (number, name) in table.fields {
        if let Some(value) = table.value(*number) {
            tags.insert(TagName::MakerNote(name), value);
        }
    }
}

impl<'a> Table<'a> {
    /// The first table of a note whose maker is known.
    fn of(note: &MakerNote<'a>, make: Option<&str>) -> Option<Self> {
        let MakerNote { bytes, offset, order } = *note;
        let in_block = -i64::try_from(offset).ok()?;
        let order_at = |at| Order::of(bytes.get(at..at + 2)?);
        let (fields, order, start, base) = match bytes {
            [b'A', b'p', b'p', b'l', b'e', b' ', b'i', b'O', b'S', 0, ..] => (APPLE, order_at(12)?, 14, 0),
            [b'F', b'U', b'J', b'I', b'F', b'I', b'L', b'M', rest @ ..] => {
                let start = Order::Little.number(rest.get(..4)?);
                (FUJIFILM, Order::Little, usize::try_from(start).ok()?, 0)
            }
            [b'N', b'i', b'k', b'o', b'n', 0, 2, ..] => (NIKON, order_at(10)?, 18, 10),
            [b'O', b'L', b'Y', b'M', b'P', b'U', b'S', 0, ..] => (OLYMPUS, order_at(8)?, 12, 0),
            [b'O', b'M', b' ', b'S', b'Y', b'S', b'T', b'E', b'M', 0, ..] => (OLYMPUS, order_at(12)?, 16, 0),
            [b'P', b'a', b'n', b'a', b's', b'o', b'n', b'i', b'c', 0, 0, 0, ..] => (PANASONIC, order, 12, in_block),
            // In a CR3, the note is a TIFF file of its own.
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] if is_canon(make) => (CANON, order_at(0)?, 8, 0),
            _ if is_canon(make) => (CANON, order, 0, in_block),
            _ => return None,
        };
        Some(Self {
            note: bytes,
            order,
            start,
            base,
            fields,
        })
    }

    fn row(&self, number: u16) -> Option<Row<'a>> {
        let (count, rows) = self.note.get(self.start..)?.split_first_chunk::<2>()?;
        let count = usize::try_from(self.order.number(count)).ok()?.min(MAX_ROWS);
        let rows = rows.chunks_exact(ROW_BYTES).take(count);
        rows.map(|row| Row::new(self.order, row)).find(|row| row.tag == number)
    }

    /// Where in the note the bytes lie to which a row points.
    fn offset(&self, number: u16) -> Option<usize> {
        self.place(&self.row(number)?)
    }

    fn place(&self, row: &Row<'_>) -> Option<usize> {
        let offset = i64::try_from(self.order.number(row.inside)).ok()?;
        usize::try_from(offset.checked_add(self.base)?).ok()
    }

    /// A text, or one number.
    fn value(&self, number: u16) -> Option<Value> {
        let row = self.row(number)?;
        if row.kind == kind::LONG {
            return (row.count == 1).then(|| self.order.number(row.inside).into());
        }
        if !matches!(row.kind, kind::ASCII | kind::UNDEFINED) {
            return None;
        }
        let length = usize::try_from(row.count)
            .ok()
            .filter(|length| *length <= MAX_TEXT_BYTES)?;
        let bytes = match row.inside.get(..length) {
            Some(inside) => inside,
            None => self.note.get(self.place(&row)?..)?.get(..length)?,
        };
        let end = bytes.iter().position(|byte| matches!(byte, 0 | 0xFF)).unwrap_or(length);
        let text = std::str::from_utf8(&bytes[..end]).ok()?.trim();
        let is_plain = !text.is_empty() && !text.chars().any(char::is_control);
        is_plain.then(|| text.into())
    }
}

fn is_canon(make: Option<&str>) -> bool {
    make.is_some_and(|make| make.starts_with("Canon"))
}
