//! HEIC. Its coded pictures were made with x265; the boxes around them are made here.

#![allow(clippy::trivially_copy_pass_by_ref, reason = "a type is written as b\"meta\"")]

use moxcms::ColorProfile;
use picture::{Error, Limits, Orientation, Plan, Target};

use crate::{LIMITS, is_close, make, pixels, rendition};

const RED: [u8; 3] = [220, 30, 30];
const GREEN: [u8; 3] = [30, 200, 40];
const BLUE: [u8; 3] = [40, 40, 210];
const GRAY: [u8; 3] = [120, 120, 120];

/// A coded picture of 64 × 64 pixels: its parameters, as in `hvcC`, and its bytes. Both are in hexadecimal digits.
struct Coded(&'static str, &'static str);

/// Red and green above blue and grey, with the full range of BT.601.
const QUARTERS: Coded = Coded(
    "0103700000009000000000001ef000fcfdf8f800000f03600001001840010c01ffff03700000030090000003000003001eba\
     0240610001002b42010103700000030090000003000003001ea020810596ea4929ae6e021a0c0800000300c8000003000840\
     62000100074401c172b02240",
    "0000003c2801af04f8413269dbffc0bbfffffb28c765fdd12185fb9fb098f7ffb761ffff3c44f34fbfccafe8dfb8cbb7ffc5\
     cab7f9ff95237ffc8a9d63f36ea2",
);

/// The same with 10 bits.
const QUARTERS_OF_10_BITS: Coded = Coded(
    "0104080000009db8000000001ef000fcfdfafa00000f03600001001740010c01ffff0408000003009db800000300001eba02\
     4061000100294201010408000003009db800000300001ea0208104d96ea4929ae6e021a0c08000000c800000030084620001\
     00074401c172b02240",
    "0000003c2801af04f8413269dbffc0bbfffffb34cf65fdd31605fb9fb0dccfffb928ffff3cbbb34fbfcbdfe8dfb9398fffc6\
     0480d9ff9523fff571d63ebde7a0",
);

/// Grey: 255 beside 64.
const HALVES: Coded = Coded(
    "0104080000009ff8000000001ef000fcfcf8f800000f03600001001740010c01ffff0408000003009ff800000300001eba02\
     4061000100264201010408000003009ff800000300001ec08204165ba924a6b9b02000000303200000030021620001000744\
     01c172b02240",
    "000000192801ae09f0643c95b4fef7a85ea0ffda48983f397fe8962f80",
);

/// An item of a file, with its own properties. Items are numbered from 1, and the first one is to be shown.
struct Item {
    kind: &'static [u8; 4],
    properties: Vec<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Item {
    fn coded(coded: &Coded) -> Self {
        let bytes = |digits: &str| -> Vec<u8> {
            let digits = digits.as_bytes().chunks(2);
            digits
                .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
                .collect()
        };
        Self {
            kind: b"hvc1",
            properties: vec![boxed(b"hvcC", &bytes(coded.0))],
            bytes: bytes(coded.1),
        }
    }

    fn grid(rows: u8, columns: u8, width: u32, height: u32) -> Self {
        Self {
            kind: b"grid",
            properties: Vec::new(),
            bytes: [
                &[0, 1, rows - 1, columns - 1][..],
                &width.to_be_bytes(),
                &height.to_be_bytes(),
            ]
            .concat(),
        }
    }

    fn with(mut self, kind: &[u8; 4], body: &[u8]) -> Self {
        self.properties.push(boxed(kind, body));
        self
    }
}

/// A link from an item to others.
type Link = (&'static [u8; 4], u16, Vec<u16>);

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

fn full(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[0; 4], body].concat())
}

/// A file whose data lies before its description, so that all places are known.
fn heif(items: &[Item], links: &[Link]) -> Vec<u8> {
    let mut file = boxed(b"ftyp", b"heic\0\0\0\0mif1heic");
    let data: Vec<u8> = items.iter().flat_map(|item| item.bytes.clone()).collect();
    let mut start = file.len() as u32 + 8;
    file.extend(boxed(b"mdat", &data));
    let count = (items.len() as u16).to_be_bytes();
    let (mut entries, mut places) = (count.to_vec(), [&[0x44, 0], &count[..]].concat());
    let (mut properties, mut associations) = (Vec::new(), (items.len() as u32).to_be_bytes().to_vec());
    let mut property = 0_u8;
    for (index, item) in items.iter().enumerate() {
        let id = (index as u16 + 1).to_be_bytes();
        // Version 2, and no protection.
        entries.extend(boxed(
            b"infe",
            &[&[2, 0, 0, 0][..], &id, &[0, 0], item.kind, &[0]].concat(),
        ));
        let length = item.bytes.len() as u32;
        places.extend([&id[..], &[0, 0, 0, 1], &start.to_be_bytes(), &length.to_be_bytes()].concat());
        start += length;
        associations.extend([id[0], id[1], item.properties.len() as u8]);
        for body in &item.properties {
            property += 1;
            properties.extend(body);
            associations.push(property);
        }
    }
    let links = links.iter().flat_map(|(kind, from, to)| {
        let numbers = [*from, to.len() as u16].into_iter().chain(to.iter().copied());
        boxed(kind, &numbers.flat_map(u16::to_be_bytes).collect::<Vec<u8>>())
    });
    let described = [boxed(b"ipco", &properties), full(b"ipma", &associations)].concat();
    let meta = [
        full(b"pitm", &[0, 1]),
        full(b"iinf", &entries),
        full(b"iloc", &places),
        full(b"iref", &links.collect::<Vec<u8>>()),
        boxed(b"iprp", &described),
    ];
    file.extend(full(b"meta", &meta.concat()));
    file
}

fn single(item: Item) -> Vec<u8> {
    heif(&[item], &[])
}

/// Four tiles, in two rows.
fn grid(width: u32, height: u32) -> Vec<u8> {
    let tiles = (0..4).map(|_| Item::coded(&QUARTERS));
    let items: Vec<Item> = std::iter::once(Item::grid(2, 2, width, height)).chain(tiles).collect();
    heif(&items, &[(b"dimg", 1, vec![2, 3, 4, 5])])
}

/// The pixels in the middle of each quarter.
fn quarters(file: &[u8]) -> [Vec<u8>; 4] {
    let (output, _) = make(file, 64, Target::Png, 6).unwrap();
    assert_eq!((output.width, output.height), (64, 64));
    let pixels = pixels(&output);
    [(16, 16), (48, 16), (16, 48), (48, 48)].map(|(x, y): (usize, usize)| pixels[y * 64 + x].clone())
}

fn nclx(primaries: u8, transfer: u8) -> Vec<u8> {
    [b"nclx", &[0, primaries, 0, transfer, 0, 6, 0x80][..]].concat()
}

#[test]
fn a_picture_becomes_every_format() {
    for coded in [&QUARTERS, &QUARTERS_OF_10_BITS] {
        let file = single(Item::coded(coded));
        for target in [Target::Jpeg, Target::Png, Target::WebP] {
            let (output, warnings) = make(&file, 32, target, 1).unwrap();
            assert_eq!((output.width, output.height, warnings.len()), (32, 32, 0));
            assert!(is_close(&pixels(&output)[8 * 32 + 8], &RED), "{target:?}");
        }
        for (found, expected) in quarters(&file).iter().zip([RED, GREEN, BLUE, GRAY]) {
            assert!(is_close(found, &expected), "{found:?}, not {expected:?}");
        }
        assert!(matches!(make(&file, 32, Target::Keep, 1), Err(Error::Unsupported(_))));
    }
}

#[test]
fn gray_stays_gray() {
    let (output, _) = make(&single(Item::coded(&HALVES)), 64, Target::Png, 1).unwrap();
    let (samples, channels, _) = crate::files::read_png(&output.file);
    assert_eq!((channels, samples[0], samples[63]), (1, 255, 64));
}

#[test]
fn only_the_orientation_of_the_file_counts() {
    // Quarter turns to the left, and then a mirror: none, top and bottom exchanged, left and right exchanged.
    for (turns, mirror, expected) in [
        (0, None, [RED, GREEN, BLUE, GRAY]),
        (1, None, [GREEN, GRAY, RED, BLUE]),
        (2, None, [GRAY, BLUE, GREEN, RED]),
        (3, None, [BLUE, RED, GRAY, GREEN]),
        (0, Some(0), [BLUE, GRAY, RED, GREEN]),
        (0, Some(1), [GREEN, RED, GRAY, BLUE]),
        (1, Some(0), [RED, BLUE, GREEN, GRAY]),
        (1, Some(1), [GRAY, GREEN, BLUE, RED]),
        (3, Some(1), [RED, BLUE, GREEN, GRAY]),
    ] {
        let mut item = Item::coded(&QUARTERS).with(b"irot", &[turns]);
        if let Some(axis) = mirror {
            item = item.with(b"imir", &[axis]);
        }
        // EXIF says 6.
        for (found, expected) in quarters(&single(item)).iter().zip(expected) {
            assert!(
                is_close(found, &expected),
                "{turns} {mirror:?}: {found:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn only_what_is_shown_is_made() {
    // 20 × 10 pixels, whose middle lies 16 to the right of that of the picture and 8 above it.
    let fractions = [20, 1, 20, 2, 16, 1, -8, 1_i32];
    let clap: Vec<u8> = fractions.into_iter().flat_map(i32::to_be_bytes).collect();
    let (output, _) = make(&single(Item::coded(&QUARTERS).with(b"clap", &clap)), 64, Target::Png, 1).unwrap();
    assert_eq!((output.width, output.height), (20, 10));
    assert!(pixels(&output).iter().all(|pixel| is_close(pixel, &GREEN)));
    let ispe = [0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 31];
    let (output, _) = make(&single(Item::coded(&QUARTERS).with(b"ispe", &ispe)), 64, Target::Png, 1).unwrap();
    assert_eq!((output.width, output.height), (30, 31));
    let outside: Vec<u8> = [20, 1, 20, 1, 30, 1, 0, 1_i32]
        .into_iter()
        .flat_map(i32::to_be_bytes)
        .collect();
    let damaged = make(
        &single(Item::coded(&QUARTERS).with(b"clap", &outside)),
        64,
        Target::Png,
        1,
    );
    assert!(matches!(damaged, Err(Error::Damaged(_))));
}

#[test]
fn tiles_are_joined_without_seams() {
    for (width, height) in [(128, 128), (120, 101), (65, 128), (127, 65)] {
        let file = grid(width, height);
        let (output, _) = make(&file, 200, Target::Png, 1).unwrap();
        let (samples, channels, size) = crate::files::read_png(&output.file);
        assert_eq!((channels, size), (3, (width as usize, height as usize)));
        // The decoder can also read whole files.
        let options = heic_decoder::RgbOptions {
            color: Some(heic_decoder::ColorInfo {
                matrix_coefficients: 6,
                full_range: true,
                ..heic_decoder::ColorInfo::default()
            }),
            ..heic_decoder::RgbOptions::default()
        };
        let whole = heic_decoder::decode(&file)
            .unwrap()
            .to_rgb8_with_options(&options)
            .unwrap();
        assert!(samples == whole.data, "{width} × {height}");
    }
}

#[test]
fn alpha_is_kept() {
    let items = || {
        let alpha = Item::coded(&HALVES).with(b"auxC", b"\0\0\0\0urn:mpeg:hevc:2015:auxid:1\0");
        [Item::coded(&QUARTERS), alpha]
    };
    let [left, right, ..] = quarters(&heif(&items(), &[(b"auxl", 2, vec![1])]));
    assert!(is_close(&left, &[220, 30, 30, 255]), "{left:?}");
    assert!(is_close(&right, &[30, 200, 40, 64]), "{right:?}");
    // Multiplied with alpha, so that a quarter of the light is all of it.
    let links = [(b"auxl", 2, vec![1]), (b"prem", 1, vec![2])];
    let [left, _, _, right] = quarters(&heif(&items(), &links));
    assert!(is_close(&left, &[220, 30, 30, 255]), "{left:?}");
    assert_eq!(right, [255, 255, 255, 64]);
    // Another auxiliary picture, such as a map of depths, is none.
    let depth = Item::coded(&HALVES).with(b"auxC", b"\0\0\0\0urn:mpeg:hevc:2015:auxid:2\0");
    let [left, ..] = quarters(&heif(&[Item::coded(&QUARTERS), depth], &[(b"auxl", 2, vec![1])]));
    assert_eq!(left.len(), 3);
}

#[test]
fn a_profile_is_kept_and_other_colours_become_srgb() {
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let colr = [b"prof", &profile[..]].concat();
    // The profile comes first.
    let file = single(Item::coded(&QUARTERS).with(b"colr", &nclx(12, 13)).with(b"colr", &colr));
    let (output, _) = make(&file, 64, Target::Png, 1).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(&output.file))
        .read_info()
        .unwrap();
    assert!(reader.info().icc_profile.as_deref() == Some(&profile[..]));
    assert!(is_close(&quarters(&file)[1], &GREEN));

    // A green of Display P3 is a stronger green in sRGB.
    let [_, green, ..] = quarters(&single(Item::coded(&QUARTERS).with(b"colr", &nclx(12, 13))));
    assert!(green[0] == 0 && green[1] > 203, "{green:?}");
    // The curve of videos means that of sRGB.
    let [_, green, ..] = quarters(&single(Item::coded(&QUARTERS).with(b"colr", &nclx(1, 1))));
    assert!(is_close(&green, &GREEN), "{green:?}");
    for transfer in [16, 18] {
        let file = single(Item::coded(&QUARTERS).with(b"colr", &nclx(9, transfer)));
        match make(&file, 64, Target::Png, 1) {
            Err(Error::Unsupported(reason)) => assert!(reason.contains("high dynamic range"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_header_alone_takes_no_memory() {
    let plan = |file: &[u8], limits| {
        let renditions = [rendition(64, Target::Jpeg)];
        Plan::new(file, &renditions, Orientation::default(), limits).map(|plan| (plan.size(), plan.memory()))
    };
    let file = grid(128, 128);
    let (size, memory) = plan(&file, LIMITS).unwrap();
    assert_eq!(size, (128, 128));
    let max_pixels = Limits {
        max_pixels: 128 * 128 - 1,
        ..LIMITS
    };
    assert!(matches!(plan(&file, max_pixels), Err(Error::TooLarge(_))));
    let max_memory = Limits {
        max_memory: memory - 1,
        ..LIMITS
    };
    assert!(matches!(plan(&file, max_memory), Err(Error::TooLarge(_))));
    // The tiles do not cover it.
    assert!(matches!(plan(&grid(129, 128), LIMITS), Err(Error::Damaged(_))));
    assert!(matches!(plan(&grid(60_000, 60_000), LIMITS), Err(Error::Damaged(_))));
    // The second row of tiles lies outside of it.
    assert!(matches!(plan(&grid(128, 64), LIMITS), Err(Error::Damaged(_))));
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_gives_a_picture_or_an_error() {
    let file = grid(100, 90);
    for length in 0..file.len() {
        let _ = make(&file[..length], 32, Target::Jpeg, 1);
    }
    for at in 0..file.len() {
        for value in [0, 0xFF, file[at] ^ 1] {
            let mut changed = file.clone();
            changed[at] = value;
            let _ = make(&changed, 32, Target::Jpeg, 1);
        }
    }
}

#[test]
fn items_of_many_pieces_are_refused() {
    // Each of many pieces is the whole file, and takes no bytes of the description.
    let mut file = single(Item::coded(&QUARTERS));
    let at = file.windows(4).position(|four| four == b"iloc").unwrap();
    // Sizes of 0 for offsets and lengths; the number of pieces is 65,535.
    file[at + 8] = 0;
    file[at + 14..at + 16].fill(0xFF);
    assert!(matches!(make(&file, 32, Target::Jpeg, 1), Err(Error::Damaged(_))));
}
