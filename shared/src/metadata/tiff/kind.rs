//! Types of values. Sources: TIFF 6.0, section 2, and the BigTIFF proposal for 64-bit types.

pub const BYTE: u16 = 1;
pub const ASCII: u16 = 2;
pub const SHORT: u16 = 3;
pub const LONG: u16 = 4;
pub const UNDEFINED: u16 = 7;
pub const SLONG: u16 = 9;
pub const IFD: u16 = 13;
pub const LONG8: u16 = 16;
pub const SLONG8: u16 = 17;
pub const IFD8: u16 = 18;
/// Since Exif 3.0.
pub const UTF8: u16 = 129;

/// The size of one value in bytes. `None` if the type is unknown.
pub fn size(kind: u16) -> Option<u8> {
    Some(match kind {
        BYTE | ASCII | 6 | UNDEFINED | UTF8 => 1,
        SHORT | 8 => 2,
        LONG | SLONG | 11 | IFD => 4,
        5 | 10 | 12 | LONG8 | SLONG8 | IFD8 => 8,
        _ => return None,
    })
}
