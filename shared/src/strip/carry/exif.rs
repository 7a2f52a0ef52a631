use super::super::exif::table::{Field, Table, write};
use super::super::tables::{DATA, EXIF, GPS, ICC, INTEROP, IPTC, PHOTOSHOP, SUB_TABLES, XMP, shows_picture};
use crate::metadata::tiff::block::Block;
use crate::metadata::tiff::directory::{self, Directory, Entry};
use crate::metadata::tiff::{compact, kind};
use crate::metadata::view::FileView;
use crate::metadata::warnings::Warnings;

const WIDTH: u16 = 0x0100;
const HEIGHT: u16 = 0x0101;
const ORIENTATION: u16 = 0x0112;
const X_RESOLUTION: u16 = 0x011A;
const Y_RESOLUTION: u16 = 0x011B;
const RESOLUTION_UNIT: u16 = 0x0128;
const YCBCR_COEFFICIENTS: u16 = 0x0211;
const YCBCR_POSITIONING: u16 = 0x0213;
const REFERENCE_BLACK_WHITE: u16 = 0x0214;
const MAKER_NOTE: u16 = 0x927C;
const PADDING: u16 = 0xEA1C;
const PIXEL_WIDTH: u16 = 0xA002;
const PIXEL_HEIGHT: u16 = 0xA003;

/// Texts of Windows in UTF-16, whose type is BYTE.
const XP_TEXTS: std::ops::RangeInclusive<u16> = 0x9C9B..=0x9C9F;

/// The output that a block is for.
pub struct Target<'a> {
    pub width: u32,
    pub height: u32,
    /// Whether the main table of the source describes how its own picture is stored, and the next one another page.
    pub has_pages: bool,
    pub thumbnail: Option<&'a [u8]>,
}

/// The fields of a block that are true of the output. The maker note, blocks of other kinds, and values that no record has
/// are left out. `None` if there is nothing.
pub fn block(source: &Block<'_>, target: &Target<'_>) -> Option<Vec<u8>> {
    // The source is in memory, so nothing of it is unread.
    let file = FileView::whole(compact(source, &mut Warnings::default()).ok()?.bytes.into());
    let ifd0 = directory::main(&file, 0).ok()?;
    let copy = Copy { file: &file, target };
    let mut main = copy.table(&ifd0, |row| copy.is_of_main_table(row));
    if let Some(exif) = copy.below(&ifd0, EXIF) {
        let mut table = copy.table(&exif, |row| !matches!(row.tag, MAKER_NOTE | INTEROP | PADDING));
        if let Some(interop) = copy.below(&exif, INTEROP) {
            table.below.push((INTEROP, copy.table(&interop, |_| true)));
        }
        main.below.push((EXIF, table));
    }
    if let Some(gps) = copy.below(&ifd0, GPS) {
        main.below.push((GPS, copy.table(&gps, |_| true)));
    }
    let next = ifd0.next(&file).ok().flatten();
    let ifd1 = next.and_then(|offset| ifd0.table(&file, offset).ok());
    let thumbnail = target.thumbnail.zip(ifd1);
    let thumbnail = thumbnail.map(|(jpeg, ifd1)| (copy.table(&ifd1, |row| !is_place(row.tag)), jpeg));
    Some(write(ifd0.order, &main, thumbnail))
}

/// Whether a tag says where a picture lies.
fn is_place(tag: u16) -> bool {
    DATA.iter()
        .any(|(offsets, lengths)| [*offsets, *lengths].contains(&tag))
}

struct Copy<'a> {
    file: &'a FileView,
    target: &'a Target<'a>,
}

impl Copy<'_> {
    fn is_of_main_table(&self, row: &Entry) -> bool {
        match row.tag {
            EXIF | GPS | SUB_TABLES | XMP | IPTC | PHOTOSHOP | ICC | PADDING => false,
            ORIENTATION | X_RESOLUTION | Y_RESOLUTION | RESOLUTION_UNIT => true,
            WIDTH | HEIGHT | YCBCR_COEFFICIENTS | YCBCR_POSITIONING | REFERENCE_BLACK_WHITE => !self.target.has_pages,
            tag => !shows_picture(row) && !is_place(tag),
        }
    }

    fn below(&self, table: &Directory, tag: u16) -> Option<Directory> {
        let offset = table.number(self.file, tag).ok()??;
        table.table(self.file, offset).ok()
    }

    /// The fields of a table that stay.
    fn table(&self, table: &Directory, stays: impl Fn(&Entry) -> bool) -> Table {
        let rows = table.rows.iter().filter(|row| stays(row));
        Table {
            fields: rows.filter_map(|row| self.field(table, row)).collect(),
            below: Vec::new(),
        }
    }

    fn field(&self, table: &Directory, row: &Entry) -> Option<Field> {
        let order = table.order;
        let number = |number: u32| (kind::LONG, order.long(number).to_vec());
        let (kind, value) = match row.tag {
            ORIENTATION => (kind::SHORT, order.short(1).to_vec()),
            WIDTH | PIXEL_WIDTH => number(self.target.width),
            HEIGHT | PIXEL_HEIGHT => number(self.target.height),
            tag => {
                let kind = if XP_TEXTS.contains(&tag) { kind::BYTE } else { row.kind };
                let mut value = self.value(table, row)?.to_vec();
                // The reader's copy has no NUL at the end of a text.
                if kind == kind::ASCII && !value.ends_with(&[0]) {
                    value.push(0);
                }
                (kind, value)
            }
        };
        Some(Field {
            tag: row.tag,
            kind,
            value,
        })
    }

    fn value<'r>(&'r self, table: &Directory, row: &'r Entry) -> Option<&'r [u8]> {
        if row.is_inside() {
            return row.inside.get(..usize::try_from(row.length()).ok()?);
        }
        self.file.get(table.offset(row), row.length()).ok()
    }
}
