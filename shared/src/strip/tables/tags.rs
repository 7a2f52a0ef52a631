//! The tags of TIFF, and which of them stay.

use crate::metadata::tiff::directory::Entry;
use crate::metadata::tiff::kind;

pub const NEW_SUBFILE_TYPE: u16 = 254;
pub const SUBFILE_TYPE: u16 = 255;
pub const COMPRESSION: u16 = 259;
pub const IMAGE_DESCRIPTION: u16 = 270;
pub const STRIP_OFFSETS: u16 = 273;
pub const STRIP_LENGTHS: u16 = 279;
pub const TILE_OFFSETS: u16 = 324;
pub const TILE_LENGTHS: u16 = 325;
pub const SUB_TABLES: u16 = 330;
pub const JPEG_TABLES: u16 = 347;
pub const JPEG_PROCESS: u16 = 512;
pub const JPEG_OFFSET: u16 = 513;
pub const JPEG_LENGTH: u16 = 514;
pub const XMP: u16 = 700;
pub const ARTIST: u16 = 315;
pub const COPYRIGHT: u16 = 33432;
pub const IPTC: u16 = 33723;
pub const PHOTOSHOP: u16 = 34377;
pub const EXIF: u16 = 34665;
pub const ICC: u16 = 34675;
pub const GPS: u16 = 34853;
pub const LAYERS: u16 = 37724;
pub const INTEROP: u16 = 40965;

/// Pictures of their own, with a place of their own.
pub const DATA: [(u16, u16); 3] = [
    (STRIP_OFFSETS, STRIP_LENGTHS),
    (TILE_OFFSETS, TILE_LENGTHS),
    (JPEG_OFFSET, JPEG_LENGTH),
];

/// What is needed to show a picture: its size and samples, its compression, where its data is, its colours, density and
/// orientation. None of these is a text.
const PICTURE: [u16; 54] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 286, 287,
    290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340, 341,
    342, 347, 529, 530, 531, 532, 559, ICC,
];

/// What tells a place, or may tell one and cannot be read: GPS, `GeoTIFF`, GDAL, maker notes, C2PA, and private data of programs.
const PLACES: [u16; 14] = [
    GPS, 33550, 33920, 33922, 34264, 34735, 34736, 34737, 37500, LAYERS, 42112, 50740, 52545, 59932,
];

/// Compressions whose data holds nothing but samples (TIFF 6.0, section 3; `LibTIFF`'s list).
const PLAIN: [u64; 18] = [
    1, 2, 3, 4, 5, 8, 32766, 32771, 32773, 32809, 32908, 32909, 32946, 34676, 34677, 34887, 34925, 50000,
];
pub const JPEG: u64 = 7;
/// Its tables can lie anywhere. But often, each strip is a whole JPEG.
pub const OLD_JPEG: u64 = 6;

/// Whether a row is needed to show a picture.
pub fn shows_picture(row: &Entry) -> bool {
    PICTURE.contains(&row.tag) && !matches!(row.kind, kind::ASCII | kind::UTF8)
}

pub fn tells_place(tag: u16) -> bool {
    PLACES.contains(&tag)
}

/// Whether the data of a compression holds nothing but samples.
pub fn is_plain(compression: u64) -> bool {
    PLAIN.contains(&compression)
}
