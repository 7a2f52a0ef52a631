//! What can be read of a damaged file is read, within limits.

use shared::metadata::{FileView, Metadata, Progress, read_whole};

use crate::files::{self, app1, chunk, image_data, iso_box, jpeg, packed, png, raw_profile, segment};
use crate::formats::{self, dataset, jxl, packet, profile, resource};
use crate::tiff::{Field, MAKE, MODEL, Tiff, USER_COMMENT, ascii, byte, numbers, text, undefined};
use crate::{make, read, tags, tiff};

/// Reads a file, and checks that it takes at most four times the file's size and 1 MiB of memory.
pub fn read_bounded(file: &[u8]) -> Metadata {
    let file = bytes::Bytes::copy_from_slice(file);
    let mut metadata = None;
    let bound = 4 * file.len() as u64 + 1024 * 1024;
    let counted = allocation_counter::measure(|| metadata = Some(read_whole(file)));
    assert!(
        counted.bytes_max <= bound,
        "{} bytes, more than {bound}",
        counted.bytes_max
    );
    metadata.unwrap()
}

fn every_file() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    files::all().into_iter().chain(formats::all())
}

#[test]
fn every_cut_of_every_file_is_read() {
    for (name, file) in every_file() {
        let whole = read_bounded(&file);
        for end in 0..file.len() {
            let cut = read_bounded(&file[..end]);
            let found = cut.tags.len();
            assert!(found <= whole.tags.len(), "{name}, cut at {end}: {cut:?}");
            for (tag, value) in &cut.tags {
                assert_eq!(whole.tags.get(tag), Some(value), "{name}, cut at {end}: {tag}");
            }
        }
    }
}

#[test]
fn a_cut_block_gives_what_is_left_of_it() {
    let block = tiff::full(false).bytes();
    // The table of the image is the last one, and its values end the block.
    let cut = read(&jpeg(&[app1(&block[..block.len() - 8])]));
    assert_eq!(make(&cut), Some("Maker & Sons"));
    assert_eq!(cut.exif.unwrap().copyright, None);
    assert!(
        cut.warnings
            .iter()
            .any(|warning| warning == "IFD0:Copyright: its value lies outside the EXIF")
    );
    // This file ends inside the segment.
    let file = jpeg(&[app1(&block)]);
    // The scan has 19 bytes.
    let end = file.len() - 19 - 8;
    let cut = read(&file[..end]);
    assert_eq!(make(&cut), Some("Maker & Sons"));
    assert_eq!(cut.warnings[0], "the file ends inside its EXIF");
}

#[test]
fn every_flipped_byte_is_read() {
    for (_, file) in every_file() {
        for at in 0..file.len() {
            for value in [0, 0x7F, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = value;
                read_bounded(&damaged);
            }
        }
    }
}

#[test]
fn damage_is_named_and_the_rest_is_read() {
    let block = |ifd0| {
        Tiff {
            ifd0,
            ..Tiff::default()
        }
        .bytes()
    };
    let sound = || text(MODEL, "sound");
    let mut far = text(MAKE, "far away");
    far.count = 0x7FFF_FFFF;
    let mut endless = numbers(MAKE, 12, &[0, 0]);
    endless.count = u32::MAX;
    let mut odd = text(MAKE, "odd");
    odd.kind = 99;
    for (fields, expected) in [
        (vec![sound(), far], "IFD0:Make: its value lies outside the EXIF"),
        (vec![sound(), endless], "IFD0:Make: its value lies outside the EXIF"),
        (vec![sound(), odd], "IFD0:Make: type 99 is unknown"),
        (
            vec![sound(), numbers(0x8769, 4, &[70_000])],
            "ExifIFD: lies outside the EXIF",
        ),
        (
            vec![sound(), numbers(0x8769, 4, &[8])],
            "ExifIFD: lies where another table is",
        ),
        (
            vec![sound(), text(0x8769, "text")],
            "IFD0:ExifIFDPointer: type 2 cannot be an offset",
        ),
    ] {
        let found = read(&block(fields));
        assert_eq!(tags(&found)["IFD0:Model"], "sound");
        assert_eq!(found.warnings[0], expected);
    }
}

#[test]
fn a_damaged_value_leaves_room_for_the_others() {
    let mut fields = Vec::new();
    for _ in 0..5 {
        let mut outside = text(0x010E, "outside");
        outside.count = 60_000;
        fields.push(outside);
    }
    fields.push(text(MODEL, "sound"));
    let found = read(
        &Tiff {
            ifd0: fields,
            ..Tiff::default()
        }
        .bytes(),
    );
    assert_eq!(tags(&found)["IFD0:Model"], "sound", "{:?}", found.warnings);
}

#[test]
fn a_table_with_too_high_a_count_gives_the_fields_that_are_there() {
    let mut block = Tiff::of_make("few").bytes();
    block[8] = 200;
    let found = read(&block);
    assert_eq!(found.warnings[0], "IFD0: only 1 of 200 fields are there");
}

#[test]
fn rubbish_is_not_read_as_a_table() {
    let mut block = Tiff::of_make("any").bytes();
    block[10..14].copy_from_slice(&[0x0F, 0x01, 99, 0]);
    let found = read(&block);
    assert_eq!(found.exif, None);
    assert_eq!(
        found.warnings,
        [
            "IFD0:Make: type 99 is unknown",
            "IFD0: damaged, so the rest is left out"
        ]
    );
    assert_eq!(read(b"II*\0\x08\0\0\0").warnings, ["IFD0: lies outside the EXIF"]);
    assert_eq!(read(b"II*\0").warnings, ["EXIF: too short"]);
}

/// A block whose fields all point to the same bytes.
fn overlapping(count: usize, field: fn(u16, &[u8]) -> Field, value: &[u8]) -> Vec<u8> {
    let mut block = Tiff {
        ifd0: (0..count)
            .map(|tag| field(0xC000 + u16::try_from(tag).unwrap(), value))
            .collect(),
        ..Tiff::default()
    }
    .bytes();
    let values = 8 + 2 + 12 * count + 4;
    for field in 0..count {
        let at = 8 + 2 + 12 * field + 8;
        block[at..at + 4].copy_from_slice(&u32::try_from(values).unwrap().to_le_bytes());
    }
    block.truncate(values + value.len());
    block
}

#[test]
fn hostile_tables_take_no_more_memory_than_others() {
    for (name, file) in [
        ("one text, many fields", overlapping(1000, ascii, &vec![b'x'; 60_000])),
        (
            "one text that is not UTF-8",
            overlapping(1000, ascii, &vec![0xE9; 60_000]),
        ),
        ("a text of NULs", overlapping(1000, ascii, &vec![0; 60_000])),
        ("a text of many texts", overlapping(1000, ascii, &b"x\0".repeat(30_000))),
        ("many fields", overlapping(5000, ascii, b"short text")),
        ("many values", overlapping(5000, ascii, &[b'7'; 60])),
        (
            "a comment said to be numbers",
            Tiff {
                exif: vec![byte(USER_COMMENT, &vec![b'7'; 60_000])],
                ..Tiff::default()
            }
            .bytes(),
        ),
    ] {
        check_bounds(name, &file);
    }
}

/// A packed block can be much larger than its file.
#[test]
fn hostile_profiles_take_no_more_memory_than_others() {
    let text_chunk = |text: &[u8]| {
        png(&[chunk(
            b"zTXt",
            &[b"Raw profile type exif\0\0", &packed(text)[..]].concat(),
        )])
    };
    let profile = |block: &[u8]| text_chunk(&raw_profile(block));
    for (name, file) in [
        (
            "a packed profile",
            text_chunk(&[&b"\nexif\n 99999999\n"[..], &b"49492a0008000000".repeat(1_000_000)].concat()),
        ),
        (
            "a packed profile of blanks",
            text_chunk(&[&b"\nexif\n 99999999\n"[..], &vec![b' '; 10_000_000]].concat()),
        ),
        (
            "a text that grows",
            profile(
                &Tiff {
                    ifd0: vec![ascii(MAKE, &vec![0x80; 60_000])],
                    ..Tiff::default()
                }
                .bytes(),
            ),
        ),
        ("numbers that grow", profile(&overlapping(1000, byte, &[1; 64]))),
        ("bytes that grow", profile(&overlapping(1000, undefined, &[1; 64]))),
        (
            "a long time",
            profile(
                &Tiff {
                    exif: vec![ascii(0x9003, &[b"1", &vec![0x81; 60_000][..]].concat())],
                    ..Tiff::default()
                }
                .bytes(),
            ),
        ),
        (
            "a long raw profile",
            png(&[chunk(
                b"tEXt",
                &[
                    b"Raw profile type exif\0",
                    &raw_profile(&overlapping(1000, ascii, &vec![b'x'; 60_000]))[..],
                ]
                .concat(),
            )]),
        ),
    ] {
        check_bounds(name, &file);
    }
}

fn check_bounds(name: &str, file: &[u8]) {
    // Shown if the test fails.
    println!("{name}: {} bytes", file.len());
    let found = read_bounded(file);
    assert!(found.warnings.len() <= 33, "{name}: {} warnings", found.warnings.len());
}

/// Each of these files would keep a naive reader busy for minutes.
#[test]
fn counts_of_billions_of_steps_are_not_believed() {
    const MANY: usize = 100_000;
    let long = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let heic = |boxes: &[Vec<u8>]| {
        let meta = [&[0; 4][..], &boxes.concat()].concat();
        [iso_box(b"ftyp", b"heic\0\0\0\0mif1heic"), iso_box(b"meta", &meta)].concat()
    };
    let pitm = iso_box(b"pitm", &[0, 0, 0, 0, 0, 1]);
    let item = |id: u8| iso_box(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0][..], b"Exif\0"].concat());
    let iinf = |count: usize| iso_box(b"iinf", &[&[0; 6][..], &item(9).repeat(count)].concat());
    // A location whose numbers have no width takes no room, and can occur 65,535 times.
    let places = [0, 7, 0, 0, 0xFF, 0xFF].repeat(MANY);
    let mine = [0, 9, 0, 0, 0xFF, 0xFF];
    let iloc = |places: &[u8]| {
        let count = long(MANY);
        iso_box(b"iloc", &[&[0, 0, 0, 0, 0, 0][..], &count[2..], places].concat())
    };
    let links = iso_box(b"cdsc", &[0, 9, 0xFF, 0xFF, 0, 2]).repeat(MANY);
    let iref = iso_box(b"iref", &[&[0; 4][..], &links].concat());
    let last = |kind: &[u8; 4]| [image_data(100), chunk(kind, b"").repeat(MANY)].concat();
    let blanks = [&b"\nexif\n 99999999\n"[..], &vec![b' '; 10_000_000]].concat();
    let profile = chunk(b"zTXt", &[b"Raw profile type exif\0\0", &packed(&blanks)[..]].concat());
    for (name, file) in [
        ("locations of others", heic(&[pitm.clone(), iinf(1), iloc(&places)])),
        ("locations", heic(&[pitm.clone(), iinf(1), iloc(&mine.repeat(MANY))])),
        (
            "the greatest lengths",
            heic(&[
                pitm.clone(),
                iinf(1),
                iso_box(
                    b"iloc",
                    &[&[0, 0, 0, 0, 8, 0, 0, 1, 0, 9, 0, 0, 0, 2][..], &[0xFF; 16]].concat(),
                ),
            ]),
        ),
        ("items and links", heic(&[pitm, iinf(MANY), iref])),
        ("image data without an end", png(&[last(b"IDAT")])[..800_000].to_vec()),
        ("packed texts", png(&[profile.repeat(100)])),
        ("fill bytes", [&[0xFF, 0xD8][..], &[0xFF].repeat(MANY * 10)].concat()),
    ] {
        assert_eq!(read_bounded(&file).exif, None, "{name}");
    }
}

fn check_all(files: Vec<(&str, Vec<u8>)>) {
    for (name, file) in files {
        check_bounds(name, &file);
    }
}

#[test]
fn hostile_packets_are_bounded() {
    let xmp = |packet: &[u8]| png(&[chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", packet].concat())]);
    let described = |inside: &str| {
        let rdf = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:a='http://a/'";
        format!("<rdf:RDF {rdf}><rdf:Description>{inside}</rdf:Description></rdf:RDF>").into_bytes()
    };
    let laughs = b"<!DOCTYPE x [<!ENTITY a '&b;&b;'><!ENTITY b '&a;&a;'>]>";
    let attributes = "a:c='1' ".repeat(100_000);
    check_all(vec![
        ("50 MB", xmp(&[&b"<a:a>"[..], &vec![b'x'; 50_000_000]].concat())),
        ("nested elements", xmp(&described(&"<a:a>".repeat(10_000)))),
        ("many elements", xmp(&described(&"<a:b/>".repeat(100_000)))),
        ("many attributes", xmp(&described(&format!("<a:b {attributes}/>")))),
        ("billion laughs", xmp(&[&laughs[..], &packet("&a;")].concat())),
    ]);
}

/// A packed packet can be much larger than its file.
#[test]
fn hostile_packed_packets_are_bounded() {
    let check = |name, value: &str| {
        let rdf = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:a='http://a/'";
        let packet = format!("<rdf:RDF {rdf}><rdf:Description>{value}</rdf:Description></rdf:RDF>");
        let text = [b"XML:com.adobe.xmp\0\x01\0\0\0", &packed(packet.as_bytes())[..]].concat();
        check_bounds(name, &png(&[chunk(b"iTXt", &text)]));
    };
    let names = (0..100_000).map(|number| format!("<a:b{number}>1</a:b{number}>"));
    check("many properties", &names.collect::<Vec<_>>().concat());
    check("the same property", &"<a:b>1</a:b>".repeat(500_000));
    let items = "<rdf:li>1</rdf:li>".repeat(500_000);
    for kind in ["Bag", "Alt"] {
        check(kind, &format!("<a:b><rdf:{kind}>{items}</rdf:{kind}></a:b>"));
    }
    check("a text", &format!("<a:b>{}</a:b>", "x".repeat(10_000_000)));
    check("references", &format!("<a:b>{}</a:b>", "&lt;".repeat(1_000_000)));
    check("structures", &"<a:b a:c='1'/>".repeat(500_000));
}

#[test]
fn hostile_blocks_are_bounded() {
    let iptc = |block: &[u8]| {
        jpeg(&[segment(
            0xED,
            &[b"Photoshop 3.0\0", &resource(0x0404, block)[..]].concat(),
        )])
    };
    let icc = |profile: &[u8]| jpeg(&[segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", profile].concat())]);
    let mut many_tags = profile("a");
    many_tags[128..132].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut outside = profile("a");
    outside[136..144].copy_from_slice(&[0xFF; 8]);
    check_all(vec![
        ("IPTC beyond its block", iptc(&[0x1C, 2, 5, 0x7F, 0xFF, b'x'])),
        (
            "IPTC with a long length",
            iptc(&[0x1C, 2, 5, 0x80, 4, 0xFF, 0xFF, 0xFF, 0xFF, b'x']),
        ),
        ("many datasets", iptc(&dataset(25, b"k").repeat(10_000))),
        ("a profile with many tags", icc(&many_tags)),
        ("a profile with a tag outside", icc(&outside)),
    ]);
}

/// 50 MB of one letter, packed in Node with the largest window.
const BOMB: &str = "cfffff7f00a4797cc2f0c46981d8deff93f3ffff1f000980382c00ddfbff1484d7072001108705d083ae0f";

/// A packed box whose decoder asks for many tables. A fuzzer has found it.
const TABLES: &str = "457869661b5d5d00f875a8b5cddef1000000000000000060b769288b010000000000001a30850314\
    e6746231fcb219089eec068237874614b9";

#[test]
fn hostile_containers_are_bounded() {
    let brotli = |kind: &[u8; 4], bytes: &[u8]| jxl(&[iso_box(b"brob", &[kind, bytes].concat())]);
    // The largest window, and then rubbish.
    let rubbish = [&[0x0F_u8][..], &[0xFF; 64]].concat();
    let moov = |depth: usize| (0..depth).fold(Vec::new(), |inside, _| iso_box(b"moov", &inside));
    let cr3 = |boxes: &[u8]| [&iso_box(b"ftyp", b"crx \0\0\0\x01crx ")[..], boxes].concat();
    check_all(vec![
        ("Brotli, damaged", brotli(b"Exif", &rubbish)),
        ("Brotli of 50 MB", brotli(b"xml ", &hex::decode(BOMB).unwrap())),
        (
            "Brotli with many tables",
            jxl(&[iso_box(b"brob", &hex::decode(TABLES).unwrap())]),
        ),
        ("Brotli, nothing", brotli(b"xml ", b"")),
        ("boxes in boxes", cr3(&moov(10_000))),
        ("boxes of no size", cr3(&[0, 0, 0, 0].repeat(10_000))),
        ("a box in itself", cr3(b"\0\0\0\0moov")),
        (
            "sub-blocks of one byte",
            [&b"GIF89a\x01\0\x01\0\0\0\0\x21\xFE"[..], &[1, 0x21].repeat(1_000_000)].concat(),
        ),
    ]);
}

#[test]
fn no_range_lies_beyond_the_end_of_a_file() {
    for (_, file) in every_file() {
        // The file is said to be larger than it is, so the rest of it is unread.
        for size in [file.len() as u64 + 1, 1 << 40, u64::MAX] {
            let mut parts = FileView::new(size);
            parts.insert(0, file.clone().into());
            if let Progress::NeedRanges(ranges) = shared::metadata::read(&parts) {
                let starts_and_ends: Vec<u64> = ranges.iter().flat_map(|range| [range.start, range.end]).collect();
                assert!(starts_and_ends.is_sorted(), "{ranges:?}");
                assert!(ranges[0].start >= file.len() as u64, "{ranges:?}");
                assert!(
                    ranges.iter().all(|range| !range.is_empty() && range.end <= size),
                    "{ranges:?}"
                );
            }
        }
    }
}
