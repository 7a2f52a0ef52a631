//! Makes EXIF blocks, field by field.

pub const MAKE: u16 = 0x010F;
pub const MODEL: u16 = 0x0110;
pub const USER_COMMENT: u16 = 0x9286;

pub struct Field {
    pub tag: u16,
    pub kind: u16,
    pub count: u32,
    value: Value,
}

enum Value {
    Bytes(Vec<u8>),
    /// Numbers in the block's byte order, with this many bytes each.
    Numbers(Vec<u32>, usize),
}

fn bytes(tag: u16, kind: u16, value: &[u8]) -> Field {
    Field {
        tag,
        kind,
        count: u32::try_from(value.len()).unwrap(),
        value: Value::Bytes(value.to_vec()),
    }
}

pub fn byte(tag: u16, value: &[u8]) -> Field {
    bytes(tag, 1, value)
}

/// A text without a NUL at its end.
pub fn text(tag: u16, value: &str) -> Field {
    ascii(tag, value.as_bytes())
}

pub fn ascii(tag: u16, value: &[u8]) -> Field {
    bytes(tag, 2, value)
}

pub fn undefined(tag: u16, value: &[u8]) -> Field {
    bytes(tag, 7, value)
}

pub fn numbers(tag: u16, kind: u16, values: &[u32]) -> Field {
    let width = match kind {
        1 | 6 => 1,
        3 | 8 => 2,
        _ => 4,
    };
    // A rational has two numbers.
    let each = if matches!(kind, 5 | 10 | 12) { 2 } else { 1 };
    Field {
        tag,
        kind,
        count: u32::try_from(values.len() / each).unwrap(),
        value: Value::Numbers(values.to_vec(), width),
    }
}

pub fn short(tag: u16, value: u32) -> Field {
    numbers(tag, 3, &[value])
}

pub fn rational(tag: u16, parts: &[(u32, u32)]) -> Field {
    let flat: Vec<u32> = parts.iter().flat_map(|&(above, below)| [above, below]).collect();
    numbers(tag, 5, &flat)
}

/// The tables of a block.
#[derive(Default)]
pub struct Tiff {
    pub big_endian: bool,
    pub ifd0: Vec<Field>,
    pub exif: Vec<Field>,
    pub gps: Vec<Field>,
    pub interop: Vec<Field>,
    pub ifd1: Vec<Field>,
    /// Zeros before each table.
    pub gap: usize,
    /// The type of the pointers to tables; 0 for LONG.
    pub pointer_kind: u16,
}

impl Tiff {
    pub fn of_make(make: &str) -> Self {
        Self {
            ifd0: vec![text(MAKE, make)],
            ..Self::default()
        }
    }

    fn number(&self, number: u32, width: usize) -> Vec<u8> {
        if self.big_endian {
            number.to_be_bytes()[4 - width..].to_vec()
        } else {
            number.to_le_bytes()[..width].to_vec()
        }
    }

    fn value(&self, value: &Value) -> Vec<u8> {
        match value {
            Value::Bytes(bytes) => bytes.clone(),
            Value::Numbers(numbers, width) => numbers.iter().flat_map(|&number| self.number(number, *width)).collect(),
        }
    }

    /// Appends a table and then its values. Returns where the table starts.
    fn table(&self, out: &mut Vec<u8>, fields: &[Field], pointers: &[(u16, u32)], next: u32) -> u32 {
        out.resize(out.len() + self.gap, 0);
        let start = out.len();
        let count = fields.len() + pointers.len();
        let mut values_start = start + 2 + 12 * count + 4;
        let mut values = Vec::new();
        out.extend(self.number(u32::try_from(count).unwrap(), 2));
        for field in fields {
            out.extend(self.number(field.tag.into(), 2));
            out.extend(self.number(field.kind.into(), 2));
            out.extend(self.number(field.count, 4));
            let mut value = self.value(&field.value);
            if value.len() <= 4 {
                value.resize(4, 0);
                out.extend(value);
            } else {
                out.extend(self.number(u32::try_from(values_start).unwrap(), 4));
                values_start += value.len();
                values.extend(value);
            }
        }
        for &(tag, offset) in pointers {
            out.extend(self.number(tag.into(), 2));
            out.extend(self.number(
                if self.pointer_kind == 0 {
                    4
                } else {
                    self.pointer_kind.into()
                },
                2,
            ));
            out.extend(self.number(1, 4));
            out.extend(self.number(offset, 4));
        }
        out.extend(self.number(next, 4));
        out.extend(values);
        u32::try_from(start).unwrap()
    }

    /// The block. Each table lies before the table that points to it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = if self.big_endian { b"MM\0*" } else { b"II*\0" }.to_vec();
        out.extend([0; 4]);
        let ifd1 = (!self.ifd1.is_empty()).then(|| self.table(&mut out, &self.ifd1, &[], 0));
        let mut in_exif = Vec::new();
        if !self.interop.is_empty() {
            in_exif.push((0xA005, self.table(&mut out, &self.interop, &[], 0)));
        }
        let mut in_ifd0 = Vec::new();
        if !self.exif.is_empty() || !in_exif.is_empty() {
            in_ifd0.push((0x8769, self.table(&mut out, &self.exif, &in_exif, 0)));
        }
        if !self.gps.is_empty() {
            in_ifd0.push((0x8825, self.table(&mut out, &self.gps, &[], 0)));
        }
        let ifd0 = self.table(&mut out, &self.ifd0, &in_ifd0, ifd1.unwrap_or(0));
        out[4..8].copy_from_slice(&self.number(ifd0, 4));
        out
    }
}

/// A block with fields in each table.
pub fn full(big_endian: bool) -> Tiff {
    Tiff {
        big_endian,
        ifd0: vec![
            text(MAKE, "Maker & Sons\0"),
            text(MODEL, "One\0"),
            short(0x0112, 6),
            text(0x8298, "Ann\0Bob\0"),
        ],
        exif: vec![
            rational(0x829A, &[(1, 250)]),
            rational(0x829D, &[(28, 10)]),
            short(0x8827, 200),
            text(0x9003, "2018:08:15 14:59:52\0"),
            text(0x9011, "+09:00\0"),
            text(0x9291, "27\0"),
            undefined(0x927C, &[1; 200]),
            undefined(USER_COMMENT, b"ASCII\0\0\0hello"),
            short(0xA403, 0),
        ],
        gps: vec![
            text(1, "S\0"),
            rational(2, &[(33, 1), (51, 1), (3540, 100)]),
            text(3, "E\0"),
            rational(4, &[(151, 1), (12, 1), (40, 1)]),
            byte(5, &[1]),
            rational(6, &[(25, 2)]),
        ],
        interop: vec![text(1, "R98\0")],
        ifd1: vec![short(0x0103, 6)],
        ..Tiff::default()
    }
}

/// A BigTIFF with a text, which must have more than 8 bytes, and its table at the end.
pub fn big(make: &str) -> Vec<u8> {
    let value = make.as_bytes();
    let mut out = b"II\x2B\0\x08\0\0\0".to_vec();
    let table = 16 + value.len() as u64;
    out.extend(table.to_le_bytes());
    out.extend(value);
    out.extend(2_u64.to_le_bytes());
    let length = value.len() as u64;
    for (tag, kind, count, value) in [(MAKE, 2_u16, length, 16_u64), (0x0100, 16, 1, 70_000)] {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend(0_u64.to_le_bytes());
    out
}
