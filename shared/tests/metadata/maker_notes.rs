//! The few fields of maker notes that are read.

use serde_json::{Value, json};

use crate::files::iso_box;
use crate::formats;
use crate::tiff::{Field, Tiff, ascii, numbers, text, undefined};
use crate::{read, tags};

/// The tables of a note, without a TIFF header before them. Offsets count from `base` bytes before the first table.
fn table(big_endian: bool, fields: Vec<Field>, base: usize) -> Vec<u8> {
    let tiff = Tiff {
        big_endian,
        // The builder's header takes 8 bytes.
        gap: base.saturating_sub(8),
        ifd0: fields,
        ..Tiff::default()
    };
    tiff.bytes().split_off(base.max(8))
}

/// The fields of a note in an image of this make.
fn read_note(make: &str, note: &[u8]) -> Vec<(String, Value)> {
    let found = read(&block(make, note).bytes());
    assert_eq!(found.warnings, [""; 0]);
    let is_of_note = |name: &String| !["IFD0:", "ExifIFD:"].iter().any(|table| name.starts_with(table));
    tags(&found).into_iter().filter(|(name, _)| is_of_note(name)).collect()
}

fn block(make: &str, note: &[u8]) -> Tiff {
    Tiff {
        exif: vec![undefined(0x927C, note)],
        ..Tiff::of_make(make)
    }
}

/// Where a note of this length starts in its block. No other byte of the block is 0xEE.
fn place(make: &str, length: usize) -> usize {
    let block = block(make, &vec![0xEE; length]).bytes();
    block.iter().position(|&byte| byte == 0xEE).unwrap()
}

/// Padding, so that no note is small enough to be a tag itself.
fn padded(note: &[&[u8]]) -> Vec<u8> {
    let mut note = note.concat();
    note.resize(note.len().max(160), 0);
    note
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, Value)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

#[test]
fn notes_with_offsets_from_their_own_start() {
    let apple = table(
        true,
        vec![
            text(0x000B, "burst-1\0"),
            text(0x0011, "CD28D161\0"),
            text(0x0012, "other\0"),
        ],
        14,
    );
    let fujifilm = table(false, vec![text(0x0010, "FPX 592D\0")], 12);
    let nikon = table(true, vec![text(0x001D, "8057478\0")], 8);
    for (note, fields) in [
        (
            padded(&[b"Apple iOS\0\0\x01MM", &apple]),
            pairs(&[("Apple:BurstUUID", "burst-1"), ("Apple:ContentIdentifier", "CD28D161")]),
        ),
        (
            padded(&[b"FUJIFILM\x0C\0\0\0", &fujifilm]),
            pairs(&[("FujiFilm:InternalSerialNumber", "FPX 592D")]),
        ),
        (
            padded(&[b"Nikon\0\x02\x10\0\0MM\0*\0\0\0\x08", &nikon]),
            pairs(&[("Nikon:SerialNumber", "8057478")]),
        ),
    ] {
        assert_eq!(read_note("any", &note), fields);
    }
}

#[test]
fn notes_with_offsets_from_the_start_of_the_block() {
    let start = place("Canon", 160);
    let canon = table(
        false,
        vec![
            numbers(0x000C, 4, &[930_605_213]),
            text(0x0095, "EF75-300mm f/4-5.6\0"),
            ascii(0x0096, b"F0232643\xFF\xFF"),
        ],
        start,
    );
    let mut expected = pairs(&[
        ("Canon:InternalSerialNumber", "F0232643"),
        ("Canon:LensModel", "EF75-300mm f/4-5.6"),
    ]);
    expected.push(("Canon:SerialNumber".to_owned(), json!(930_605_213)));
    assert_eq!(read_note("Canon", &padded(&[&canon])), expected);
    assert_eq!(read_note("other", &padded(&[&canon])), []);

    let start = place("any", 160) + 12;
    let fields = vec![undefined(0x0025, b"F350807010058\0\0^"), text(0x0051, "LUMIX G 14\0")];
    let panasonic = padded(&[b"Panasonic\0\0\0", &table(false, fields, start)]);
    let expected = [
        ("Panasonic:InternalSerialNumber", "F350807010058"),
        ("Panasonic:LensType", "LUMIX G 14"),
    ];
    assert_eq!(read_note("any", &panasonic), pairs(&expected));
}

#[test]
fn olympus_keeps_its_equipment_in_a_table_of_its_own() {
    for (head, start) in [(&b"OLYMPUS\0II\x03\0"[..], 12), (b"OM SYSTEM\0\0\0II\x04\0", 16)] {
        // The first table has one row, and no values.
        let equipment = start + 18;
        let first = table(
            false,
            vec![numbers(0x2010, 13, &[u32::try_from(equipment).unwrap()])],
            start,
        );
        let second = table(
            false,
            vec![text(0x0101, "B9V508278\0"), text(0x0203, "M.14-42mm\0")],
            equipment,
        );
        let expected = [
            ("Olympus:LensModel", "M.14-42mm"),
            ("Olympus:SerialNumber", "B9V508278"),
        ];
        assert_eq!(read_note("any", &padded(&[head, &first, &second])), pairs(&expected));
    }
}

#[test]
fn a_cr3_has_its_note_in_a_box() {
    let note = Tiff {
        ifd0: vec![text(0x0095, "EF24-105mm\0")],
        ..Tiff::default()
    };
    let found = read(&formats::cr3_with(
        &Tiff::of_make("Canon"),
        &[iso_box(b"CMT3", &note.bytes())],
    ));
    assert_eq!(tags(&found)["Canon:LensModel"], "EF24-105mm");
}

#[test]
fn what_is_not_plain_is_left_out() {
    let long = "x".repeat(300);
    for field in [
        text(0x0011, ""),
        text(0x0011, "  \0"),
        text(0x0011, &long),
        ascii(0x0011, b"\x01\x02\x03\x04\x05"),
        numbers(0x0011, 3, &[5]),
        numbers(0x0011, 4, &[5, 6]),
    ] {
        let note = padded(&[b"Apple iOS\0\0\x01MM", &table(true, vec![field], 14)]);
        assert_eq!(read_note("any", &note), []);
    }
    let note = padded(&[
        b"Apple iOS\0\0\x01MM",
        &table(true, vec![text(0x0011, "CD28D161\0")], 14),
    ]);
    for end in 65..note.len() {
        let fields = read_note("any", &note[..end]);
        assert!(fields.is_empty() || fields[0].1 == "CD28D161");
    }
}

#[test]
fn a_note_takes_no_request_of_its_own() {
    let note = padded(&[
        b"Apple iOS\0\0\x01MM",
        &table(true, vec![text(0x0011, "CD28D161\0")], 14),
    ]);
    let has_identifier = |gap| {
        let tiff = Tiff {
            gap,
            ..block("any", &note)
        };
        tags(&read(&tiff.bytes())).contains_key("Apple:ContentIdentifier")
    };
    assert!(has_identifier(100 * 1024));
    assert!(!has_identifier(130 * 1024));
}
