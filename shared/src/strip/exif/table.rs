//! Writes the tables of an EXIF block. Source: CIPA DC-008 (Exif 3.0), 4.6.2.

use crate::metadata::tiff::kind;
use crate::metadata::tiff::order::Order;

const JPEG_OFFSET: u16 = 0x0201;
const JPEG_LENGTH: u16 = 0x0202;

const HEADER_BYTES: u32 = 8;
const ROW_BYTES: usize = 12;

/// A field of a table.
#[derive(Clone, Debug)]
pub struct Field {
    pub tag: u16,
    pub kind: u16,
    /// In the byte order of the block.
    pub value: Vec<u8>,
}

/// A table, and the tables that its rows point to, each with the tag of its row.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub fields: Vec<Field>,
    pub below: Vec<(u16, Self)>,
}

/// A table, and a JPEG.
pub type Thumbnail<'a> = (Table, &'a [u8]);

/// A block with a main table, and with a thumbnail if there is one. Blocks have at most 4 GiB, and tables at most 65,535 rows.
pub fn write(order: Order, main: &Table, thumbnail: Option<Thumbnail<'_>>) -> Vec<u8> {
    let mut writer = Writer {
        order,
        out: if order == Order::Little { b"II*\0" } else { b"MM\0*" }.to_vec(),
    };
    writer.out.extend(order.long(HEADER_BYTES));
    let next = writer.table(main);
    if let Some((mut table, jpeg)) = thumbnail {
        let start = writer.append(jpeg);
        for (tag, number) in [(JPEG_OFFSET, start), (JPEG_LENGTH, length(jpeg))] {
            table.fields.push(Field {
                tag,
                kind: kind::LONG,
                value: order.long(number).to_vec(),
            });
        }
        let start = writer.end();
        writer.table(&table);
        writer.put(next, &order.long(start));
    }
    writer.out
}

struct Writer {
    order: Order,
    out: Vec<u8>,
}

impl Writer {
    /// Appends a table. Returns where the offset of the next one belongs.
    fn table(&mut self, table: &Table) -> usize {
        let count = table.fields.len() + table.below.len();
        let mut at = self.out.len();
        self.out.resize(at + 2 + count * ROW_BYTES + 4, 0);
        self.put(
            at,
            &self.order.short(u16::try_from(count).expect("tables have few rows")),
        );
        at += 2;
        let mut fields: Vec<&Field> = table.fields.iter().collect();
        fields.sort_by_key(|field| field.tag);
        let mut below: Vec<&(u16, Table)> = table.below.iter().collect();
        below.sort_by_key(|(tag, _)| *tag);
        let (mut fields, mut below) = (fields.into_iter().peekable(), below.into_iter().peekable());
        loop {
            // Rows are in the order of their tags.
            let next_below = below.peek().map(|(tag, _)| *tag);
            if let Some(field) = fields.next_if(|field| next_below.is_none_or(|below| field.tag < below)) {
                self.field(at, field);
            } else if let Some((tag, child)) = below.next() {
                let start = self.end();
                self.row(at, (*tag, kind::LONG), 1, &self.order.long(start));
                self.table(child);
            } else {
                return at;
            }
            at += ROW_BYTES;
        }
    }

    fn field(&mut self, at: usize, field: &Field) {
        let size = usize::from(kind::size(field.kind).unwrap_or(1));
        let count = length(&field.value) / u32::try_from(size).unwrap_or(1);
        if field.value.len() <= 4 {
            self.row(at, (field.tag, field.kind), count, &field.value);
        } else {
            let start = self.append(&field.value);
            self.row(at, (field.tag, field.kind), count, &self.order.long(start));
        }
    }

    fn row(&mut self, at: usize, (tag, kind): (u16, u16), count: u32, inside: &[u8]) {
        let order = self.order;
        self.put(at, &[order.short(tag), order.short(kind)].concat());
        self.put(at + 4, &order.long(count));
        self.put(at + 8, inside);
    }

    /// Appends bytes. Returns where they start.
    fn append(&mut self, bytes: &[u8]) -> u32 {
        let start = self.end();
        self.out.extend_from_slice(bytes);
        // Values and tables start at even offsets.
        self.out.resize(self.out.len().next_multiple_of(2), 0);
        start
    }

    fn end(&self) -> u32 {
        length(&self.out)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.out[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a block is not so long")
}
