//! Joins tables that are TIFF files of their own into one.

use super::kind;
use super::order::Order;
use super::row::Row;

const EXIF_POINTER: u16 = 0x8769;
const GPS_POINTER: u16 = 0x8825;
const ROW_BYTES: usize = 12;
const LONG: u16 = 4;

/// One TIFF file with the main table of the first, which points to those of the others. `None` if they cannot be joined:
/// they are damaged, or have other byte orders.
pub fn tables(main: &[u8], exif: Option<&[u8]>, gps: Option<&[u8]>) -> Option<Vec<u8>> {
    let (order, first) = header(main)?;
    let mut out = main.to_vec();
    let mut rows: Vec<[u8; ROW_BYTES]> = rows(main, order, first)?.copied().collect();
    rows.retain(|row| value(order, row).is_none_or(|(offset, length)| is_inside(main, offset, length)));
    for (pointer, file) in [(EXIF_POINTER, exif), (GPS_POINTER, gps)] {
        let Some(file) = file else { continue };
        let (other, first) = header(file)?;
        if other != order {
            return None;
        }
        rows.retain(|row| Row::new(order, row).tag != pointer);
        let base = out.len();
        out.extend_from_slice(file);
        move_values(&mut out, order, base, first)?;
        let mut row = [0; ROW_BYTES];
        row[..2].copy_from_slice(&order.short(pointer));
        row[2..4].copy_from_slice(&order.short(LONG));
        row[4..8].copy_from_slice(&order.long(1));
        row[8..].copy_from_slice(&order.long(u32::try_from(base + first).ok()?));
        rows.push(row);
    }
    let table = u32::try_from(out.len()).ok()?;
    out[4..8].copy_from_slice(&order.long(table));
    out.extend(order.short(u16::try_from(rows.len()).ok()?));
    out.extend(rows.iter().flatten());
    out.extend([0; 4]);
    Some(out)
}

/// The byte order, and where the table starts.
fn header(file: &[u8]) -> Option<(Order, usize)> {
    let order = match file.get(..2)? {
        b"II" => Order::Little,
        b"MM" => Order::Big,
        _ => return None,
    };
    Some((order, usize::try_from(order.number(file.get(4..8)?)).ok()?))
}

fn rows(file: &[u8], order: Order, at: usize) -> Option<impl Iterator<Item = &[u8; ROW_BYTES]>> {
    let count = usize::try_from(order.number(file.get(at..)?.get(..2)?)).ok()?;
    let rows = file.get(at + 2..)?;
    Some(rows.as_chunks::<ROW_BYTES>().0.iter().take(count))
}

/// Where a row's value lies, and its length. `None` if it is in the row itself.
fn value(order: Order, row: &[u8]) -> Option<(u64, u64)> {
    let found = Row::new(order, row);
    let length = found.count.saturating_mul(kind::size(found.kind)?.into());
    (length > 4).then(|| (order.number(&row[8..]), length))
}

fn is_inside(file: &[u8], offset: u64, length: u64) -> bool {
    offset.saturating_add(length) <= file.len() as u64
}

/// Adds `base` to the offsets of values in the table of a file that was appended at `base`. A value outside of its file, which
/// may be cut, must not become one inside of what follows: its row gets the type 0, of a row that is not used.
fn move_values(out: &mut [u8], order: Order, base: usize, first: usize) -> Option<()> {
    let table = base.checked_add(first)?;
    let count = rows(out, order, table)?.count();
    let length_of_file = out.len() - base;
    for index in 0..count {
        let at = table + 2 + index * ROW_BYTES;
        let row = out.get_mut(at..at + ROW_BYTES)?;
        let Some((offset, length)) = value(order, row) else {
            continue;
        };
        if offset.saturating_add(length) > length_of_file as u64 {
            row[2..4].fill(0);
        } else {
            row[8..].copy_from_slice(&order.long(u32::try_from(offset + base as u64).ok()?));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::read_whole;

    /// A file with one text.
    fn file(tag: u16, text: &[u8]) -> Vec<u8> {
        let mut file = b"II*\0\x08\0\0\0\x01\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend([2, 0]);
        file.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        file.extend([26, 0, 0, 0]);
        file.extend([0; 4]);
        file.extend(text);
        file
    }

    #[test]
    fn joined_tables_are_read_as_one_file() {
        let (main, exif) = (file(0x010F, b"Canon\0"), file(0xA434, b"RF50mm\0"));
        let joined = tables(&main, Some(&exif), None).unwrap();
        let found = read_whole(joined.into()).exif.unwrap();
        assert_eq!(
            (found.make.as_deref(), found.lens_model.as_deref()),
            (Some("Canon"), Some("RF50mm"))
        );
        for end in 0..exif.len() {
            tables(&main, Some(&exif[..end]), Some(&main[..end.min(main.len())]));
        }
        assert_eq!(tables(&main, Some(b"MM\0*\0\0\0\x08\0\0"), None), None);
    }
}
