//! EXIF is found in every place of a container that may hold it, and nowhere else.

use shared::metadata::Format;

use crate::files::{self, Item, Store, app1, chunk, heif, image_data, jpeg, png, riff_chunk, segment, vp8x, webp};
use crate::tiff::{Tiff, text};
use crate::{make, read, tags, tiff};

fn block(make: &str) -> Vec<u8> {
    Tiff::of_make(make).bytes()
}

#[test]
fn every_container_gives_the_same_record() {
    let expected = read(&tiff::full(false).bytes());
    assert_eq!(expected.format, Format::Tiff);
    for (name, file) in files::all() {
        let found = read(&file);
        assert_eq!(make(&found), Some("Maker & Sons"), "{name}");
        if name != "BigTIFF" {
            assert_eq!((&found.exif, &found.tags), (&expected.exif, &expected.tags), "{name}");
            assert_eq!(found.warnings, expected.warnings, "{name}");
        }
        assert!(name.starts_with(match found.format {
            Format::Jpeg => "JPEG",
            Format::Tiff if name.starts_with('B') => "BigTIFF",
            Format::Tiff => "TIFF",
            Format::Png => "PNG",
            Format::Webp => "WebP",
            Format::Heif => "HEIC",
            Format::Avif => "AVIF",
            _ => "unknown",
        }));
    }
}

#[test]
fn files_without_exif_give_none() {
    for (name, file, warned) in [
        ("JPEG", jpeg(&[segment(0xE0, b"JFIF\0")]), false),
        // After the start of the image data, these bytes are part of the image.
        (
            "JPEG, EXIF after the scan",
            [jpeg(&[]), app1(&block("no"))].concat(),
            false,
        ),
        ("JPEG, empty EXIF", jpeg(&[segment(0xE1, b"Exif\0\0")]), true),
        ("JPEG, EXIF of zeros", jpeg(&[app1(&[0; 20])]), true),
        ("PNG", png(&[image_data(50)]), false),
        (
            "PNG, another profile",
            png(&[chunk(b"tEXt", b"Raw profile type icc\0\nicc\n4\n00ff")]),
            false,
        ),
        (
            "PNG, a damaged profile",
            png(&[chunk(b"zTXt", b"Raw profile type exif\0\0rubbish")]),
            true,
        ),
        ("WebP, simple", webp(&[riff_chunk(b"VP8 ", &[5; 33])]), false),
        (
            "WebP, no EXIF announced",
            webp(&[vp8x(0), riff_chunk(b"VP8 ", &[5; 33])]),
            false,
        ),
        (
            "WebP, EXIF announced but missing",
            webp(&[vp8x(8), riff_chunk(b"VP8 ", &[5; 33])]),
            true,
        ),
        ("HEIC", heif(b"heic", Store::Behind, &[Item::image(1, 40)]), false),
        (
            "HEIC, an empty item",
            heif(
                b"heic",
                Store::Behind,
                &[
                    Item::image(1, 40),
                    Item {
                        data: vec![],
                        ..Item::exif(2, b"", None)
                    },
                ],
            ),
            false,
        ),
        ("text", b"just some text".to_vec(), false),
        ("nothing", vec![], false),
    ] {
        let found = read(&file);
        assert_eq!((found.exif, found.tags.len()), (None, 0), "{name}");
        assert_eq!(!found.warnings.is_empty(), warned, "{name}: {:?}", found.warnings);
    }
}

#[test]
fn the_first_valid_segment_of_a_jpeg_counts() {
    let file = jpeg(&[app1(&[0; 20]), app1(&block("first")), app1(&block("second"))]);
    assert_eq!(make(&read(&file)), Some("first"));
}

#[test]
fn fill_bytes_and_rubbish_between_segments_are_skipped() {
    let file = jpeg(&[segment(0xE0, b"JFIF\0"), vec![0, 0, 0xFF, 0xFF], app1(&block("found"))]);
    assert_eq!(make(&read(&file)), Some("found"));
    let endless = [
        &[0xFF, 0xD8, 0xFF, 0xE0, 0, 2][..],
        &vec![0; 200_000],
        &app1(&block("lost")),
    ]
    .concat();
    let found = read(&endless);
    assert_eq!(found.exif, None);
    assert!(found.warnings[0].contains("too many parts"), "{:?}", found.warnings);
}

#[test]
fn the_identifier_may_be_odd() {
    for id in [b"Exif\0\0", b"Exif\0\xFF", b"EXIF\0\0"] {
        let file = jpeg(&[segment(0xE1, &[&id[..], &block("odd")].concat())]);
        assert_eq!(make(&read(&file)), Some("odd"), "{id:?}");
    }
}

#[test]
fn the_item_of_the_primary_image_counts() {
    let exif = |id, make, describes| Item::exif(id, &block(make), describes);
    for store in [Store::Behind, Store::Before, Store::Inside] {
        let of_thumbnail = exif(3, "thumbnail", Some(2));
        let of_primary = exif(4, "primary", Some(1));
        let items = [Item::image(1, 40), Item::image(2, 10), of_thumbnail, of_primary];
        assert_eq!(make(&read(&heif(b"heic", store, &items))), Some("primary"));
        // Without any link, the first item counts.
        let items = [Item::image(1, 40), exif(3, "first", None), exif(4, "second", None)];
        assert_eq!(make(&read(&heif(b"avif", store, &items))), Some("first"));
    }
}

#[test]
fn an_item_may_be_longer_than_a_segment() {
    let mut long = tiff::full(false);
    long.gap = 40_000;
    let items = [Item::image(1, 300_000), Item::exif(2, &long.bytes(), Some(1))];
    assert!(items[1].data.len() > 0x10000);
    let found = read(&heif(b"heic", Store::Before, &items));
    assert_eq!(found.exif, read(&tiff::full(false).bytes()).exif);
}

#[test]
fn offsets_before_an_item_may_be_missing_or_wrong() {
    let item = |front: &[u8]| Item {
        data: [front, &block("found")].concat(),
        ..Item::exif(2, b"", Some(1))
    };
    for front in [
        &b""[..],
        b"\0\0\0\0",
        b"\0\0\0\x06Exif\0\0",
        b"\0\0\0\0Exif\0\0",
        b"\0\0\0\x02\0\0",
    ] {
        let file = heif(b"heic", Store::Behind, &[Item::image(1, 40), item(front)]);
        assert_eq!(make(&read(&file)), Some("found"), "{front:?}");
    }
}

#[test]
fn pointers_to_tables_may_be_any_whole_number() {
    // SHORT, LONG, SLONG, IFD
    for kind in [3, 4, 9, 13] {
        let tiff = Tiff {
            pointer_kind: kind,
            ..tiff::full(false)
        };
        let found = read(&tiff.bytes());
        assert_eq!(found.exif, read(&tiff::full(false).bytes()).exif, "type {kind}");
    }
}

#[test]
fn values_in_a_big_tiff_may_be_wide() {
    let found = read(&tiff::big("wide enough"));
    assert_eq!(make(&found), Some("wide enough"));
    assert_eq!(tags(&found)["IFD0:ImageWidth"], 70_000);
}

#[test]
fn tables_of_thumbnails_are_not_mistaken_for_those_of_the_image() {
    let tiff = Tiff {
        ifd0: vec![text(tiff::MAKE, "image")],
        ifd1: vec![text(tiff::MAKE, "thumbnail"), tiff::numbers(0x8769, 4, &[8])],
        ..Tiff::default()
    };
    let found = read(&tiff.bytes());
    assert_eq!(make(&found), Some("image"));
    assert_eq!(tags(&found).keys().collect::<Vec<_>>(), ["IFD0:Make", "IFD1:Make"]);
}
