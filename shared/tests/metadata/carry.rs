//! Metadata of an image for pictures that were made of it.

use bytes::Bytes;
use serde_json::json;
use shared::metadata::{Format, Metadata, read_whole};
use shared::strip::{Whole, with_copyright, with_metadata};

use crate::files::{app1, chunk, image_data, jpeg, png, riff_chunk, segment, webp};
use crate::formats::{dataset, resource};
use crate::tiff::{self, Tiff, ascii, rational, short, text, undefined};
use crate::{read, tags};

const WIDTH: u16 = 40;
const HEIGHT: u16 = 30;

const PLACE: &str = "exif:GPSLatitude='41,53.4N' dc:format='kept'";

/// EXIF, XMP and IPTC, with what is true of the image alone.
fn source(orientation: u32, packet: &[u8]) -> Vec<u8> {
    let thumbnail = jpeg(&[]);
    let length = u32::try_from(thumbnail.len()).unwrap();
    let exif = |offset: u32| Tiff {
        big_endian: true,
        ifd0: vec![
            text(tiff::MAKE, "Maker & Sons"),
            short(0x112, orientation),
            rational(0x11A, &[(72, 1)]),
            ascii(0x13B, b"Ann\0"),
            ascii(0x8298, b"All rights\0"),
            tiff::byte(0x9C9B, b"T\0i\0\0\0"),
        ],
        exif: vec![
            undefined(0x927C, &[7; 100]),
            tiff::numbers(0xA002, 4, &[4000]),
            tiff::numbers(0xA003, 4, &[3000]),
        ],
        gps: vec![text(1, "N\0"), rational(2, &[(41, 1), (53, 1), (0, 1)])],
        interop: vec![text(1, "R98\0")],
        ifd1: vec![
            short(0x103, 6),
            tiff::numbers(0x201, 4, &[offset]),
            tiff::numbers(0x202, 4, &[length]),
        ],
        ..Tiff::default()
    };
    let end = exif(0).bytes().len();
    let block = [exif(u32::try_from(end).unwrap()).bytes(), thumbnail].concat();
    let iptc = [b"Photoshop 3.0\0", &resource(0x0404, &dataset(90, b"Rome"))[..]].concat();
    let xmp = [b"http://ns.adobe.com/xap/1.0/\0", packet].concat();
    jpeg(&[app1(&block), segment(0xE1, &xmp), segment(0xED, &iptc)])
}

fn packet() -> Vec<u8> {
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
         <rdf:Description xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:tiff='http://ns.adobe.com/tiff/1.0/' \
         xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:own='http://example.com/' \
         xmlns:GCamera='http://ns.google.com/photos/1.0/camera/' own:name='kept' GCamera:MotionPhoto='1' \
         tiff:Orientation='6' {PLACE}><exif:PixelXDimension>4000</exif:PixelXDimension>\
         <exif:PixelYDimension>3000</exif:PixelYDimension><dc:creator><rdf:Seq><rdf:li>Ann</rdf:li></rdf:Seq></dc:creator>\
         </rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

/// Pictures of the same size, without metadata.
fn outputs() -> [(Format, Vec<u8>); 3] {
    let size = [HEIGHT.to_be_bytes(), WIDTH.to_be_bytes()].concat();
    let frame = segment(0xC0, &[&[8][..], &size, &[1, 1, 0x11, 0]].concat());
    let long = |side: u16| u32::from(side).to_be_bytes();
    let header = chunk(b"IHDR", &[&long(WIDTH)[..], &long(HEIGHT), &[8, 2, 0, 0, 0]].concat());
    let png = [&png(&[])[..8], &header, &image_data(9), &chunk(b"IEND", b"")].concat();
    let key_frame = [
        &[0, 0, 0, 0x9D, 0x01, 0x2A][..],
        &WIDTH.to_le_bytes(),
        &HEIGHT.to_le_bytes(),
        &[0; 6],
    ]
    .concat();
    [
        (Format::Jpeg, jpeg(&[frame])),
        (Format::Png, png),
        (Format::Webp, webp(&[riff_chunk(b"VP8 ", &key_frame)])),
    ]
}

fn carried(with: fn(&Bytes, &Bytes, &Metadata) -> Whole, output: &[u8], source: &[u8]) -> (Metadata, Vec<String>) {
    let source = Bytes::copy_from_slice(source);
    let whole = with(&Bytes::copy_from_slice(output), &source, &read_whole(source.clone()));
    (read(&whole.bytes), whole.warnings)
}

#[test]
fn all_metadata_is_true_of_the_output() {
    let before = read(&source(1, &packet()));
    assert!(before.image.as_ref().unwrap().thumbnail.is_some());
    for (format, output) in outputs() {
        let (found, warnings) = carried(with_metadata, &output, &source(1, &packet()));
        assert_eq!(found.format, format);
        let mut expected = tags(&before);
        expected.insert("ExifIFD:PixelXDimension".to_owned(), json!(WIDTH));
        expected.insert("ExifIFD:PixelYDimension".to_owned(), json!(HEIGHT));
        let mut found_tags = tags(&found);
        for tags in [&mut expected, &mut found_tags] {
            tags.remove("IFD1:JPEGInterchangeFormat");
        }
        assert_eq!(found_tags, expected, "{format}");
        assert_eq!(found.omitted, [""; 0], "{format}: the maker note");
        let image = found.image.unwrap();
        assert_eq!(
            (image.width, image.height),
            (Some(WIDTH.into()), Some(HEIGHT.into())),
            "{format}"
        );
        assert!(image.thumbnail.is_some() && image.motion_photo.is_none(), "{format}");
        let xmp = found.xmp.unwrap();
        for (name, value) in [
            ("own:name", json!("kept")),
            ("dc:format", json!("kept")),
            ("tiff:Orientation", json!(1)),
            ("exif:PixelXDimension", json!(WIDTH)),
            ("exif:PixelYDimension", json!(HEIGHT)),
        ] {
            let found = &xmp[name];
            assert!(
                *found == value || *found == json!(value.to_string()),
                "{format}: {name} is {found}"
            );
        }
        assert!(!xmp.contains_key("GCamera:MotionPhoto"), "{format}");
        let is_kept = format != Format::Webp;
        assert_eq!(found.iptc == before.iptc, is_kept, "{format}");
        assert_eq!(warnings.is_empty(), is_kept, "{format}: {warnings:?}");
    }
}

#[test]
fn a_picture_that_was_turned_is_upright_and_has_no_thumbnail() {
    for (format, output) in outputs() {
        let (found, _) = carried(with_metadata, &output, &source(6, &packet()));
        assert_eq!(tags(&found)["IFD0:Orientation"], 1, "{format}");
        assert_eq!(found.image.unwrap().thumbnail, None, "{format}");
    }
}

#[test]
fn the_copyright_comes_alone() {
    for (format, output) in outputs() {
        let (found, _) = carried(with_copyright, &output, &source(6, &packet()));
        let names: Vec<String> = tags(&found).keys().cloned().collect();
        assert_eq!(names, ["IFD0:Artist", "IFD0:Copyright"], "{format}");
        assert_eq!(json!(found.xmp), json!({"dc:creator": ["Ann"]}), "{format}");
        assert_eq!(found.iptc, None, "{format}");
        // An image without a copyright gives none.
        let (found, warnings) = carried(with_copyright, &output, &jpeg(&[app1(&Tiff::of_make("any").bytes())]));
        assert_eq!((found.exif, found.xmp, warnings), (None, None, vec![]), "{format}");
    }
}

#[test]
fn what_is_too_long_for_a_segment_has_several_or_is_left_out() {
    const NAMES: [&str; 7] = [
        "coverage",
        "identifier",
        "relation",
        "source",
        "type",
        "title",
        "description",
    ];
    let text = String::from_utf8(packet()).unwrap();
    let head = text.split("<exif:PixelXDimension>").next().unwrap();
    let long = "x".repeat(10_000);
    let properties: Vec<String> = NAMES
        .iter()
        .map(|name| format!("<dc:{name}>{long}</dc:{name}>"))
        .collect();
    let properties = properties.concat();
    let packet = format!("{head}{properties}</rdf:Description></rdf:RDF></x:xmpmeta>");
    // A PNG may have it in one piece.
    let xmp = chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", packet.as_bytes()].concat());
    let image = png(&[xmp, image_data(9)]);
    let [(_, output), ..] = outputs();
    let (found, warnings) = carried(with_metadata, &output, &image);
    let xmp = found.xmp.unwrap();
    assert!(NAMES.iter().all(|name| xmp[&format!("dc:{name}")] == long));
    assert_eq!((warnings, found.warnings), (vec![], vec![]));

    let long = "x".repeat(60_000);
    let comment = undefined(tiff::USER_COMMENT, &[b"ASCII\0\0\0", long.as_bytes()].concat());
    let exif = Tiff {
        exif: vec![comment],
        ifd0: vec![ascii(0x010E, &long.as_bytes()[..20_000])],
        ..Tiff::default()
    };
    let image = png(&[chunk(b"eXIf", &exif.bytes()), image_data(9)]);
    let (found, warnings) = carried(with_metadata, &output, &image);
    assert_eq!(found.exif, None);
    assert!(
        warnings.iter().any(|warning| warning.contains("EXIF is lost")),
        "{warnings:?}"
    );
    let [_, (_, output), _] = outputs();
    assert_eq!(tags(&carried(with_metadata, &output, &image).0), tags(&read(&image)));
}
