//! EXIF blocks in their containers.

#![allow(clippy::trivially_copy_pass_by_ref, reason = "a type is written as b\"meta\"")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::tiff;

pub fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], body].concat()
}

pub fn app1(block: &[u8]) -> Vec<u8> {
    segment(0xE1, &[b"Exif\0\0", block].concat())
}

/// A JPEG with these segments, and some image data.
pub fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    let scan = [segment(0xDA, &[0; 10]), vec![1, 2, 3, 0xFF, 0xD9]].concat();
    [&[0xFF, 0xD8], &segments.concat()[..], &scan].concat()
}

pub fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    // Readers of EXIF do not look at the checksum.
    [&length[..], kind, body, &[0; 4]].concat()
}

/// A PNG with these chunks between its header and its end.
pub fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    let header = chunk(b"IHDR", &[0; 13]);
    [
        b"\x89PNG\r\n\x1A\n",
        &header[..],
        &chunks.concat(),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

pub fn image_data(length: usize) -> Vec<u8> {
    chunk(b"IDAT", &vec![0x55; length])
}

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The text of a raw profile, in lines of 72 digits.
pub fn raw_profile(block: &[u8]) -> Vec<u8> {
    let digits = hex(block);
    let lines: Vec<&str> = digits
        .as_bytes()
        .chunks(72)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!("\nexif\n{:8}\n{}\n", block.len(), lines.join("\n")).into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

pub fn riff_chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let padding = &[0][..body.len() % 2];
    [kind, &length[..], body, padding].concat()
}

pub fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WEBP", &chunks.concat()[..]].concat();
    riff_chunk(b"RIFF", &body)
}

/// The header chunk of an extended WebP; bit 3 of `flags` announces EXIF.
pub fn vp8x(flags: u8) -> Vec<u8> {
    riff_chunk(b"VP8X", &[flags, 0, 0, 0, 1, 0, 0, 1, 0, 0])
}

pub fn iso_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&size[..], kind, body].concat()
}

/// An item of a HEIF file.
pub struct Item {
    pub id: u16,
    pub kind: [u8; 4],
    pub data: Vec<u8>,
    /// The item that this one describes.
    pub describes: Option<u16>,
}

impl Item {
    pub fn image(id: u16, length: usize) -> Self {
        Self {
            id,
            kind: *b"hvc1",
            data: vec![0x55; length],
            describes: None,
        }
    }

    /// The block comes after four bytes that say where it starts.
    pub fn exif(id: u16, block: &[u8], describes: Option<u16>) -> Self {
        Self {
            id,
            kind: *b"Exif",
            data: [&6_u32.to_be_bytes()[..], b"Exif\0\0", block].concat(),
            describes,
        }
    }
}

/// How a HEIF file stores its items.
#[derive(Clone, Copy, PartialEq)]
pub enum Store {
    /// In an `mdat` box behind the `meta` box.
    Behind,
    /// In an `mdat` box before the `meta` box.
    Before,
    /// In the `idat` box.
    Inside,
    /// As [`Self::Behind`], with each item in two pieces.
    Pieces,
}

/// A HEIF file whose first item is the primary one.
pub fn heif(brand: &[u8; 4], store: Store, items: &[Item]) -> Vec<u8> {
    let ftyp = iso_box(b"ftyp", &[brand, &[0; 4][..], b"mif1", brand].concat());
    let data: Vec<u8> = items.iter().flat_map(|item| item.data.clone()).collect();
    let mdat = iso_box(b"mdat", &data);
    let data_start = match store {
        Store::Before => ftyp.len() + 8,
        Store::Inside => 0,
        // The size of the box does not depend on the offsets in it.
        Store::Behind | Store::Pieces => ftyp.len() + meta(store, items, &data, 0).len() + 8,
    };
    let meta = meta(store, items, &data, data_start);
    match store {
        Store::Before => [ftyp, mdat, meta].concat(),
        Store::Inside => [ftyp, meta].concat(),
        Store::Behind | Store::Pieces => [ftyp, meta, mdat].concat(),
    }
}

fn meta(store: Store, items: &[Item], data: &[u8], data_start: usize) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
    let long = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let entries = items.iter().map(|item| {
        let body = [&[2, 0, 0, 0], &item.id.to_be_bytes()[..], &[0, 0], &item.kind, &[0]].concat();
        iso_box(b"infe", &body)
    });
    let iinf = [&[0; 4], &short(items.len())[..], &entries.collect::<Vec<_>>().concat()].concat();
    let links = items.iter().filter_map(|item| {
        let body = [item.id.to_be_bytes(), [0, 1], item.describes?.to_be_bytes()].concat();
        Some(iso_box(b"cdsc", &body))
    });
    let iref = [&[0; 4], &links.collect::<Vec<_>>().concat()[..]].concat();

    // Version 1: construction methods; offsets and lengths of four bytes.
    let mut iloc = [&[1, 0, 0, 0, 0x44, 0][..], &short(items.len())].concat();
    let mut at = data_start;
    for item in items {
        let method = u16::from(store == Store::Inside);
        iloc.extend([item.id, method, 0].map(u16::to_be_bytes).concat());
        let pieces = if store == Store::Pieces {
            vec![item.data.len() / 2, item.data.len().div_ceil(2)]
        } else {
            vec![item.data.len()]
        };
        iloc.extend(short(pieces.len()));
        for piece in pieces {
            iloc.extend(long(at));
            iloc.extend(long(piece));
            at += piece;
        }
    }
    let mut body = vec![0; 4];
    body.extend(iso_box(b"hdlr", &[0; 24]));
    body.extend(iso_box(b"pitm", &[&[0; 4], &items[0].id.to_be_bytes()[..]].concat()));
    body.extend(iso_box(b"iinf", &iinf));
    body.extend(iso_box(b"iref", &iref));
    body.extend(iso_box(b"iloc", &iloc));
    if store == Store::Inside {
        body.extend(iso_box(b"idat", data));
    }
    iso_box(b"meta", &body)
}

/// One file for each way to hold a block. The make is always `Maker & Sons`.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let block = tiff::full(false).bytes();
    let with_id = [b"Exif\0\0", &block[..]].concat();
    let before = [
        segment(0xE0, b"JFIF\0"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        segment(0xED, &[7; 40]),
    ];
    let text = |kind, head: &[u8], body: &[u8]| chunk(kind, &[head, body].concat());
    let profile = raw_profile(&with_id);
    let exif = |describes| Item::exif(2, &block, describes);
    let heif = |brand, store| heif(brand, store, &[Item::image(1, 40), exif(Some(1))]);
    vec![
        ("JPEG", jpeg(&[app1(&block)])),
        ("JPEG, big-endian", jpeg(&[app1(&tiff::full(true).bytes())])),
        ("JPEG, EXIF late", jpeg(&[before.concat(), app1(&block)])),
        ("TIFF", block.clone()),
        ("TIFF, big-endian", tiff::full(true).bytes()),
        (
            "TIFF, spread out",
            tiff::Tiff {
                gap: 300,
                ..tiff::full(false)
            }
            .bytes(),
        ),
        ("BigTIFF", tiff::big("Maker & Sons")),
        ("PNG, eXIf", png(&[chunk(b"eXIf", &block), image_data(50)])),
        (
            "PNG, eXIf last",
            png(&[image_data(50), image_data(20), chunk(b"eXIf", &block)]),
        ),
        ("PNG, tEXt", png(&[text(b"tEXt", b"Raw profile type exif\0", &profile)])),
        (
            "PNG, zTXt",
            png(&[text(b"zTXt", b"Raw profile type APP1\0\0", &packed(&profile))]),
        ),
        (
            "PNG, iTXt",
            png(&[text(b"iTXt", b"Raw profile type exif\0\0\0en\0Exif\0", &profile)]),
        ),
        (
            "PNG, iTXt packed",
            png(&[text(b"iTXt", b"Raw profile type exif\0\x01\0\0\0", &packed(&profile))]),
        ),
        (
            "WebP",
            webp(&[vp8x(8), riff_chunk(b"VP8 ", &[5; 33]), riff_chunk(b"EXIF", &block)]),
        ),
        (
            "WebP, with the identifier",
            webp(&[vp8x(8), riff_chunk(b"EXIF", &with_id), riff_chunk(b"VP8L", &[5; 33])]),
        ),
        ("HEIC", heif(b"heic", Store::Behind)),
        ("HEIC, data first", heif(b"heic", Store::Before)),
        ("HEIC, in idat", heif(b"heic", Store::Inside)),
        ("HEIC, in pieces", heif(b"heic", Store::Pieces)),
        ("AVIF", heif(b"avif", Store::Behind)),
    ]
}
