//! The same files without their metadata.

use bytes::Bytes;
use shared::metadata::{Format, Metadata, read_whole};
use shared::strip::{Options, Refused, Scope, strip_whole};

use crate::files::{
    self, Item, Store, app1, chunk, heif, image_data, iso_box, jpeg, packed, png, raw_profile, segment,
};
use crate::formats::{self, dataset, resource};
use crate::tiff::{self, Tiff, rational, short, text, undefined};
use crate::{read, tags};

const ALL: Options = Options {
    scope: Scope::All,
    keep_copyright: false,
};
const LOCATION: Options = Options {
    scope: Scope::Location,
    keep_copyright: false,
};
const RIGHTS: Options = Options {
    scope: Scope::All,
    keep_copyright: true,
};

/// A secret that every hidden place holds.
const SECRET: &str = "Atlantis 7";

fn strip(file: &[u8], options: Options) -> Result<Vec<u8>, Refused> {
    let file = Bytes::copy_from_slice(file);
    let metadata = read_whole(file.clone());
    strip_whole(file, &metadata, options).map(|stripped| stripped.bytes.to_vec())
}

fn holds(file: &[u8], text: &str) -> bool {
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [text.as_bytes(), hex::encode(text).as_bytes(), &utf_16]
        .iter()
        .any(|form| file.windows(form.len()).any(|window| window == *form))
}

fn every_file() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    files::all().into_iter().chain(formats::all())
}

#[test]
fn every_file_loses_its_metadata_or_is_refused() {
    const TEXTS: [&str; 8] = [
        "Maker & Sons",
        "One\0",
        "Ann",
        "2018",
        "hello",
        "title",
        "object",
        "extended",
    ];
    const WRITTEN: [Format; 8] = [
        Format::Jpeg,
        Format::Tiff,
        Format::Png,
        Format::Webp,
        Format::Gif,
        Format::Heif,
        Format::Avif,
        Format::Jxl,
    ];
    for (name, file) in every_file() {
        let format = read(&file).format;
        match strip(&file, ALL) {
            Ok(stripped) => {
                assert!(WRITTEN.contains(&format), "{name}");
                for text in TEXTS {
                    assert!(!holds(&stripped, text), "{name} has {text}");
                }
                // What is stripped stays as it is.
                assert_eq!(strip(&stripped, ALL).unwrap(), stripped, "{name}");
            }
            Err(Refused::Unsupported(_)) => assert!(!WRITTEN.contains(&format), "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn every_file_loses_its_place_and_keeps_the_rest() {
    for (name, file) in every_file() {
        let before = read(&file);
        let Ok(stripped) = strip(&file, LOCATION) else {
            continue;
        };
        let after = read(&stripped);
        let (mut expected, found) = (tags(&before), tags(&after));
        expected.retain(|tag, _| !tag.starts_with("GPS:"));
        assert_eq!(found, expected, "{name}");
        assert_eq!(after.iptc, before.iptc, "{name}");
        // The main packet names the extended one by its digest, which changes.
        let names = |found: &Metadata| found.xmp.as_ref().map(|xmp| xmp.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names(&after), names(&before), "{name}");
        assert_eq!(strip(&stripped, LOCATION).unwrap(), stripped, "{name}");
    }
}

/// An EXIF block whose GPS has the secret.
fn exif_of_secret() -> Vec<u8> {
    Tiff {
        gps: vec![
            text(1, "N\0"),
            rational(2, &[(48, 1), (51, 1), (30, 1)]),
            text(0x1D, "2018:08:15\0"),
            text(0x1B, SECRET),
        ],
        ..Tiff::of_make("Maker & Sons")
    }
    .bytes()
}

fn xmp_of_secret(property: &str) -> Vec<u8> {
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
         <rdf:Description xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/' \
         xmlns:dc='http://purl.org/dc/elements/1.1/' dc:title='kept' {property}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

fn xmp_segment(packet: &[u8]) -> Vec<u8> {
    segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", packet].concat())
}

/// An index of pictures, with a second one of this length behind a first one of that length.
fn mpf(first: usize, second: usize, base: usize) -> Vec<u8> {
    let long = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let table = [
        &b"MPF\0II*\0\x08\0\0\0\x01\0\x02\xB0\x07\0\x20\0\0\0\x1A\0\0\0\0\0\0\0"[..],
        &[0; 4],
        &long(first),
        &[0; 8],
        &[0; 4],
        &long(second),
        &long(first - base),
        &[0; 4],
    ];
    segment(0xE2, &table.concat())
}

/// A first picture with these segments, and a second picture behind it.
fn two_pictures(segments: &[Vec<u8>], second: &[u8]) -> Vec<u8> {
    let before = 2 + segments.concat().len();
    let first = |index: Vec<u8>| jpeg(&[segments.concat(), index]);
    let length = first(mpf(1, 0, 0)).len();
    // Offsets count from behind the marker, the length and the identifier.
    [first(mpf(length, second.len(), before + 8)), second.to_vec()].concat()
}

/// A JPEG with XMP that is only in extended parts.
fn extended(packet: &[u8]) -> Vec<u8> {
    let guid = [b'A'; 32];
    let main = formats::packet(&String::from_utf8_lossy(&guid));
    let length = u32::try_from(packet.len()).unwrap().to_be_bytes();
    let part = [
        b"http://ns.adobe.com/xmp/extension/\0",
        &guid[..],
        &length,
        &[0; 4],
        packet,
    ]
    .concat();
    jpeg(&[xmp_segment(&main), segment(0xE1, &part)])
}

/// Files that hide the secret, each in another place.
fn hidden() -> Vec<(&'static str, Vec<u8>)> {
    let exif = exif_of_secret();
    let other = Tiff::of_make("other").bytes();
    let attribute = xmp_of_secret(&format!("exif:GPSLatitude='{SECRET}'>"));
    let element = xmp_of_secret(&format!("><photoshop:City>{SECRET}</photoshop:City>"));
    let iptc = [
        b"Photoshop 3.0\0",
        &resource(0x0404, &dataset(90, SECRET.as_bytes()))[..],
    ]
    .concat();
    let thumbnail = Tiff {
        ifd1: vec![tiff::numbers(0x0201, 4, &[0]), tiff::numbers(0x0202, 4, &[0])],
        ..Tiff::of_make("any")
    };
    let picture = jpeg(&[app1(&exif)]);
    let profile = raw_profile(&[b"Exif\0\0", &exif[..]].concat());
    let video = iso_box(b"moov", &iso_box(b"udta", &iso_box(b"\xA9xyz", SECRET.as_bytes())));
    let text = |kind, head: &[u8], body: &[u8]| png(&[chunk(kind, &[head, body].concat()), image_data(9)]);
    let items = [Item::image(1, 40), Item::exif(2, &exif, Some(1))];
    let unreadable = [Item::image(1, 40), Item::exif(2, SECRET.as_bytes(), Some(1))];
    vec![
        ("a second EXIF block", jpeg(&[app1(&other), app1(&exif)])),
        ("behind the end", [jpeg(&[]), exif.clone()].concat()),
        ("a picture of an index", two_pictures(&[app1(&other)], &picture)),
        ("an attribute of XMP", jpeg(&[xmp_segment(&attribute)])),
        ("an element of XMP", jpeg(&[xmp_segment(&element)])),
        ("extended XMP alone", extended(&element)),
        ("IPTC", jpeg(&[segment(0xED, &iptc)])),
        ("an unknown segment", jpeg(&[segment(0xE7, SECRET.as_bytes())])),
        ("the thumbnail's own EXIF", with_thumbnail(&thumbnail, &picture)),
        ("a text of PNG", text(b"tEXt", b"GPSLatitude\0", SECRET.as_bytes())),
        (
            "a profile in zTXt",
            text(b"zTXt", b"Raw profile type APP1\0\0", &packed(&profile)),
        ),
        ("a private chunk", text(b"prVt", b"", SECRET.as_bytes())),
        ("an item that nothing refers to", heif(b"heic", Store::Behind, &items)),
        (
            "EXIF in idat that cannot be read",
            heif(b"heic", Store::Inside, &unreadable),
        ),
        (
            "the video of a motion photo",
            [jpeg(&[]), iso_box(b"ftyp", b"mp42"), video.clone()].concat(),
        ),
        (
            "the video in HEIC",
            [heif(b"heic", Store::Behind, &items[..1]), iso_box(b"mpvd", &video)].concat(),
        ),
        ("a TIFF", exif),
    ]
}

/// A JPEG with a thumbnail behind the tables of its EXIF.
fn with_thumbnail(tables: &Tiff, picture: &[u8]) -> Vec<u8> {
    let mut block = tables.bytes();
    let at = |tag: u16, block: &[u8]| block.windows(2).position(|two| two == tag.to_le_bytes()).unwrap() + 8;
    let (offset, length) = (at(0x0201, &block), at(0x0202, &block));
    let start = u32::try_from(block.len()).unwrap().to_le_bytes();
    block[offset..offset + 4].copy_from_slice(&start);
    block[length..length + 4].copy_from_slice(&u32::try_from(picture.len()).unwrap().to_le_bytes());
    jpeg(&[app1(&[&block, picture].concat())])
}

#[test]
fn a_hidden_place_is_gone() {
    for (name, file) in hidden() {
        assert!(holds(&file, SECRET) || name.contains("profile"), "{name}");
        for options in [ALL, LOCATION] {
            let stripped = strip(&file, options).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!holds(&stripped, SECRET), "{name}, {options:?}");
            let inside = read(&stripped);
            assert_eq!(inside.exif.and_then(|exif| exif.gps), None, "{name}");
        }
    }
}

/// Deep nesting would need a deep stack.
#[test]
fn blocks_inside_of_blocks_are_removed() {
    let mut block = exif_of_secret();
    for _ in 0..2_000 {
        let resources = resource(0x0422, &block);
        block = Tiff {
            ifd0: vec![undefined(0x8649, &resources)],
            ..Tiff::default()
        }
        .bytes();
    }
    assert!(!holds(&strip(&block, LOCATION).unwrap(), SECRET));
}

#[test]
fn a_comment_stays_unless_all_is_removed() {
    let file = jpeg(&[segment(0xFE, SECRET.as_bytes())]);
    assert!(!holds(&strip(&file, ALL).unwrap(), SECRET));
    assert!(holds(&strip(&file, LOCATION).unwrap(), SECRET));
}

#[test]
fn orientation_stays_unless_it_is_upright() {
    for (value, tag) in [(1, None), (6, Some(6)), (9, None)] {
        let block = Tiff {
            ifd0: vec![short(0x0112, value), text(0x0110, "One\0")],
            ..Tiff::default()
        };
        let block = block.bytes();
        for file in [jpeg(&[app1(&block)]), png(&[chunk(b"eXIf", &block), image_data(9)])] {
            let found = read(&strip(&file, ALL).unwrap());
            let exif = found.exif.as_ref();
            let orientation = exif.and_then(|exif| exif.orientation.as_ref()?.as_u64());
            assert_eq!(orientation, tag);
            assert_eq!(found.tags.len(), usize::from(tag.is_some()));
        }
    }
}

#[test]
fn the_copyright_stays_if_it_shall() {
    let block = Tiff {
        ifd0: vec![text(0x013B, "Ann\0"), text(0x8298, "Ann\0Bob\0"), text(0x0110, "One\0")],
        ..Tiff::default()
    };
    let packet = xmp_of_secret("photoshop:Credit='Agency'>");
    let sets = [dataset(80, b"Ann"), dataset(90, SECRET.as_bytes())].concat();
    let iptc = segment(0xED, &[b"Photoshop 3.0\0", &resource(0x0404, &sets)[..]].concat());
    let file = jpeg(&[app1(&block.bytes()), xmp_segment(&packet), iptc]);
    let found = read(&strip(&file, RIGHTS).unwrap());
    assert_eq!(
        tags(&found).into_iter().collect::<Vec<_>>(),
        [
            ("IFD0:Artist".to_owned(), "Ann".into()),
            ("IFD0:Copyright".to_owned(), "Ann\nBob".into())
        ]
    );
    assert_eq!(
        serde_json::json!(found.xmp),
        serde_json::json!({"photoshop:Credit": "Agency"})
    );
    assert_eq!(serde_json::json!(found.iptc), serde_json::json!({"By-line": ["Ann"]}));
    for (name, file) in every_file() {
        if let Ok(stripped) = strip(&file, RIGHTS) {
            assert!(!holds(&stripped, "Maker & Sons"), "{name}");
        }
    }
}

/// A gain map, as Ultra HDR has it.
fn ultra_hdr() -> Vec<u8> {
    let packet = |inside: &str| {
        let text = format!(
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
             <rdf:Description xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/' \
             hdrgm:Version='1.0' dc:title='{SECRET}' {inside}/></rdf:RDF></x:xmpmeta>"
        );
        xmp_segment(text.as_bytes())
    };
    let map = jpeg(&[app1(&exif_of_secret()), packet("hdrgm:GainMapMax='2.5'")]);
    two_pictures(&[app1(&exif_of_secret()), packet("")], &map)
}

#[test]
fn a_gain_map_stays_with_what_describes_it() {
    let stripped = strip(&ultra_hdr(), ALL).unwrap();
    assert!(!holds(&stripped, SECRET));
    let found = read(&stripped);
    assert_eq!(
        serde_json::json!(found.xmp),
        serde_json::json!({"hdrgm:Version": "1.0"})
    );
    // The second picture starts where both lists of pictures say, and lasts until the end.
    let end = stripped
        .windows(4)
        .position(|four| four == b"\xFF\xD9\xFF\xD8")
        .unwrap()
        + 2;
    let second = stripped.len() - end;
    let text = String::from_utf8_lossy(&stripped).into_owned();
    assert!(text.contains(&format!("Item:Length=\"{second}\"")));
    let base = stripped.windows(4).position(|four| four == b"MPF\0").unwrap() + 4;
    let entry = &stripped[base + 50 + 16..][..16];
    let number = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((number(4), base + number(8)), (second, end));
    let map = read(&stripped[end..]);
    assert_eq!(
        serde_json::json!(map.xmp),
        serde_json::json!({"hdrgm:Version": "1.0", "hdrgm:GainMapMax": "2.5"})
    );
    // Without places, both pictures keep their other metadata.
    let stripped = strip(&ultra_hdr(), LOCATION).unwrap();
    assert_eq!(read(&stripped).exif.unwrap().make.as_deref(), Some("Maker & Sons"));
    assert!(holds(&stripped, SECRET), "the title stays");
}

#[test]
fn a_picture_that_is_named_often_is_written_once() {
    let second = jpeg(&[segment(0xE2, &[7; 1000])]);
    let long = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let index = |first: usize, base: usize| {
        let entry = |length: usize, offset: usize| [&[0; 4][..], &long(length), &long(offset), &[0; 4]].concat();
        let others = entry(second.len(), first - base).repeat(7);
        let head = b"MPF\0II*\0\x08\0\0\0\x01\0\x02\xB0\x07\0\x80\0\0\0\x1A\0\0\0\0\0\0\0";
        segment(0xE2, &[&head[..], &entry(first, 0), &others].concat())
    };
    let length = jpeg(&[index(100, 0)]).len();
    let file = [jpeg(&[index(length, 10)]), second.clone()].concat();
    let stripped = strip(&file, LOCATION).unwrap();
    assert!(stripped.len() <= file.len(), "{} of {}", stripped.len(), file.len());
    assert_eq!(stripped.windows(2).filter(|two| *two == [0xFF, 0xD8]).count(), 2);
}

/// A TIFF with old JPEG, whose only strip is this.
fn old_jpeg(strip: &[u8]) -> Vec<u8> {
    jpeg_in_tiff(6, strip, 0)
}

/// A TIFF with a strip of this compression, and with a JPEG that starts in the strip.
fn jpeg_in_tiff(compression: u32, strip: &[u8], start_of_jpeg: usize) -> Vec<u8> {
    let tiff = |start: usize| {
        let [start, length] = [start, strip.len()].map(|number| u32::try_from(number).unwrap());
        let long = |tag, value| tiff::numbers(tag, 4, &[value]);
        let inside = u32::try_from(start_of_jpeg).unwrap();
        let picture = [
            (273, start),
            (279, length),
            (513, start + inside),
            (514, length - inside),
        ];
        let sizes = [short(256, 8), short(257, 8), short(259, compression)];
        let rows = picture.map(|(tag, value)| long(tag, value));
        Tiff {
            ifd0: sizes
                .into_iter()
                .chain([text(tiff::MAKE, SECRET)])
                .chain(rows)
                .collect(),
            ..Tiff::default()
        }
        .bytes()
    };
    let end = tiff(0).len();
    [tiff(end), strip.to_vec()].concat()
}

#[test]
fn old_jpeg_in_tiff_is_kept_if_its_strips_are_whole() {
    let stripped = strip(&old_jpeg(&jpeg(&[])), ALL).unwrap();
    assert!(!holds(&stripped, SECRET) && stripped.ends_with(&jpeg(&[])));
    let names: Vec<String> = tags(&read(&stripped)).keys().cloned().collect();
    assert!(names.contains(&"IFD0:JPEGInterchangeFormat".to_owned()), "{names:?}");
    // In the newer kind, the other JPEG is a thumbnail, which `all` leaves out.
    let thumbnail = jpeg(&[app1(&exif_of_secret())]);
    let both = [jpeg(&[]), thumbnail].concat();
    assert!(strip(&jpeg_in_tiff(7, &both, jpeg(&[]).len()), ALL).is_ok());
    assert!(strip(&jpeg_in_tiff(7, &both, jpeg(&[]).len()), LOCATION).is_err());
    // Metadata in the JPEG, or tables elsewhere.
    for strip_of in [jpeg(&[app1(&exif_of_secret())]), vec![1, 2, 3, 4]] {
        for options in [ALL, LOCATION] {
            let refused = strip(&old_jpeg(&strip_of), options).map(drop);
            assert!(matches!(refused, Err(Refused::Unsupported(_))), "{refused:?}");
        }
    }
}

#[test]
fn what_has_too_many_parts_is_refused_and_not_cut() {
    let padding = vec![0; 200_000];
    let mut gif = [&formats::gif()[..13], &padding, b";"].concat();
    // Without a table of colours.
    gif[10] &= 0x7F;
    let rubbish = [&[0xFF, 0xD8, 0xFF, 0xE0, 0, 2][..], &padding, &jpeg(&[])[2..]].concat();
    for file in [gif, rubbish] {
        let refused = strip(&file, ALL).map(drop).unwrap_err().to_string();
        assert!(refused.contains("too many"), "{refused}");
    }
}

#[test]
fn every_cut_of_every_file_is_stripped_or_refused() {
    for (_, file) in files_to_damage() {
        for end in 0..file.len() {
            attempt(&file[..end], if end % 2 == 0 { ALL } else { LOCATION });
        }
    }
}

#[test]
fn flipped_bytes_are_stripped_or_refused() {
    for (_, file) in files_to_damage() {
        for at in (0..file.len()).step_by(2) {
            let mut flipped = file.clone();
            flipped[at] ^= 0xFF;
            attempt(&flipped, [ALL, LOCATION, RIGHTS][at / 2 % 3]);
        }
    }
}

pub fn files_to_damage() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    every_file().chain(hidden()).chain([("Ultra HDR", ultra_hdr())])
}

/// Strips a file, and checks that it takes at most six times the file's size and 1 MiB of memory.
fn attempt(file: &[u8], options: Options) {
    let bound = 6 * file.len() as u64 + 1024 * 1024;
    let counted = allocation_counter::measure(|| drop(strip(file, options)));
    assert!(
        counted.bytes_max <= bound,
        "{} bytes, more than {bound}",
        counted.bytes_max
    );
}
