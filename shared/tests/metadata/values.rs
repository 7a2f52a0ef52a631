//! The values of a record's fields.

use serde_json::{Value, json};

use crate::tiff::{Field, MAKE, Tiff, USER_COMMENT, ascii, byte, numbers, rational, short, text, undefined};
use crate::{read, tags, tiff};

#[test]
fn every_field_has_its_place() {
    let found = read(&tiff::full(false).bytes());
    assert_eq!(
        serde_json::to_value(&found.exif).unwrap(),
        json!({
            "make": "Maker & Sons", "model": "One", "copyright": "Ann\nBob",
            "taken_at": "2018-08-15T14:59:52.27+09:00",
            "orientation": 6, "exposure_time_s": 0.004, "f_number": 2.8, "iso": 200, "white_balance": "auto",
            "gps": {"latitude": -33.859_833_333_333_336, "longitude": 151.211_111_111_111_1, "altitude_m": -12.5},
        })
    );
    let names: Vec<String> = tags(&found).keys().cloned().collect();
    assert_eq!(
        names,
        [
            "ExifIFD:DateTimeOriginal",
            "ExifIFD:ExposureTime",
            "ExifIFD:FNumber",
            "ExifIFD:OffsetTimeOriginal",
            "ExifIFD:PhotographicSensitivity",
            "ExifIFD:SubSecTimeOriginal",
            "ExifIFD:UserComment",
            "ExifIFD:WhiteBalance",
            "GPS:GPSAltitude",
            "GPS:GPSAltitudeRef",
            "GPS:GPSLatitude",
            "GPS:GPSLatitudeRef",
            "GPS:GPSLongitude",
            "GPS:GPSLongitudeRef",
            "IFD0:Copyright",
            "IFD0:Make",
            "IFD0:Model",
            "IFD0:Orientation",
            "IFD1:Compression",
            "InteropIFD:InteroperabilityIndex",
        ]
    );
    assert_eq!(tags(&found)["GPS:GPSLatitude"], json!([33, 51, 35.4]));
    assert_eq!(found.warnings, [""; 0]);
    assert_eq!(found.omitted, ["ExifIFD:MakerNote: 200 bytes"]);
}

/// The EXIF of an image with these tables, and the warnings.
fn exif(tiff: &Tiff) -> (Value, Vec<String>) {
    let found = read(&tiff.bytes());
    (serde_json::to_value(&found.exif).unwrap(), found.warnings)
}

fn in_exif(fields: Vec<Field>) -> (Value, Vec<String>) {
    exif(&Tiff {
        exif: fields,
        ..Tiff::of_make("any")
    })
}

fn tag(table: &str, field: Field) -> (Value, Vec<String>) {
    let name = format!("{table}:");
    let tiff = if table == "IFD0" {
        Tiff {
            ifd0: vec![field],
            ..Tiff::default()
        }
    } else {
        Tiff {
            exif: vec![field],
            ..Tiff::default()
        }
    };
    let found = read(&tiff.bytes());
    let tags = tags(&found);
    assert!(tags.keys().all(|key| key.starts_with(&name)));
    let value = tags.into_iter().next().map_or(Value::Null, |(_, value)| value);
    (value, found.warnings)
}

#[test]
fn times_are_real_or_absent() {
    for (time, fraction, offset, expected, warned) in [
        ("2018:08:15 14:59:52", "", "", json!("2018-08-15T14:59:52"), false),
        (
            "2018:08:15 14:59:52",
            "005  ",
            "",
            json!("2018-08-15T14:59:52.005"),
            false,
        ),
        ("2018:08:15 14:59:52", "ab", "Z", json!("2018-08-15T14:59:52Z"), false),
        (
            "2018:08:15 14:59:52",
            "",
            "-03:30",
            json!("2018-08-15T14:59:52-03:30"),
            false,
        ),
        ("2018:08:15 14:59:52", "", "   :  ", json!("2018-08-15T14:59:52"), false),
        ("2018:08:15 14:59:52", "", "+25:00", json!("2018-08-15T14:59:52"), true),
        ("2018:02:30 14:59:52", "", "+01:00", Value::Null, true),
        ("0000:00:00 00:00:00", "", "", Value::Null, false),
        ("    :  :     :  :  ", "", "", Value::Null, false),
        ("yesterday", "", "", Value::Null, false),
    ] {
        let fields = vec![text(0x9003, time), text(0x9291, fraction), text(0x9011, offset)];
        let (exif, warnings) = in_exif(fields);
        assert_eq!(exif["taken_at"], expected, "{time} {fraction} {offset}");
        assert_eq!(!warnings.is_empty(), warned, "{time} {offset}: {warnings:?}");
    }
}

#[test]
fn positions_are_real_or_absent() {
    let whole = |degrees, minutes, seconds| vec![(degrees, 1), (minutes, 1), (seconds, 1)];
    for (reference, latitude, expected) in [
        ("N", whole(48, 30, 36), json!(48.51)),
        ("S", whole(48, 30, 36), json!(-48.51)),
        ("south", whole(48, 30, 36), json!(-48.51)),
        ("N", vec![(48, 1), (306, 10), (0, 1)], json!(48.51)),
        ("N", vec![(4851, 100), (0, 1), (0, 1)], json!(48.51)),
        ("N", vec![(4851, 100)], json!(48.51)),
        ("N", whole(0, 0, 0), json!(0)),
        ("N", whole(91, 0, 0), Value::Null),
        ("N", vec![(0, 0); 3], Value::Null),
        ("N", vec![(48, 1), (30, 1), (0, 0)], Value::Null),
        ("", whole(48, 30, 36), Value::Null),
        ("É", whole(48, 30, 36), Value::Null),
    ] {
        let (exif, warnings) = exif(&Tiff {
            gps: vec![
                text(1, reference),
                rational(2, &latitude),
                text(3, "W"),
                rational(4, &[(1, 1)]),
                rational(6, &[(5, 1)]),
            ],
            ..Tiff::of_make("any")
        });
        let gps = &exif["gps"];
        assert_eq!(gps["latitude"], expected, "{reference} {latitude:?}");
        assert_eq!(
            gps["longitude"].is_null(),
            expected.is_null(),
            "both or neither, {latitude:?}"
        );
        assert_eq!(warnings.is_empty(), !expected.is_null(), "{latitude:?}: {warnings:?}");
        assert_eq!(gps["altitude_m"], 5, "the altitude does not need a position");
    }
    // Degrees are floating point numbers here. One of them is NaN.
    let nan = f64::NAN.to_bits().to_le_bytes();
    let halves = nan.as_chunks::<4>().0.iter().map(|half| u32::from_le_bytes(*half));
    let latitude = numbers(2, 12, &halves.collect::<Vec<_>>());
    let gps = vec![text(1, "N"), latitude, text(3, "E"), rational(4, &[(1, 1)])];
    let (exif, _) = exif(&Tiff {
        gps,
        ..Tiff::of_make("any")
    });
    assert_eq!(exif["gps"], Value::Null);
}

#[test]
fn a_sign_does_not_invert_a_position() {
    let minus = u32::MAX - 47;
    let gps = vec![
        text(1, "S"),
        numbers(2, 10, &[minus, 1]),
        text(3, "E"),
        numbers(4, 10, &[10, 1]),
        byte(5, &[1]),
        numbers(6, 10, &[minus, 4]),
    ];
    let (exif, _) = exif(&Tiff {
        gps,
        ..Tiff::of_make("any")
    });
    assert_eq!(
        exif["gps"],
        json!({"latitude": -48, "longitude": 10, "altitude_m": -12})
    );
}

#[test]
fn altitudes_may_be_below_sea_level() {
    for (reference, expected) in [(0, 12), (1, -12), (2, 12), (3, -12)] {
        let gps = vec![byte(5, &[reference]), rational(6, &[(12, 1)])];
        let (exif, _) = exif(&Tiff {
            gps,
            ..Tiff::of_make("any")
        });
        assert_eq!(exif["gps"], json!({"altitude_m": expected}));
    }
}

#[test]
fn invalid_numbers_are_absent() {
    let (exif, _) = in_exif(vec![
        rational(0x829A, &[(1, 0)]),
        rational(0x829D, &[(0, 0)]),
        text(0x8827, "100"),
        rational(0x920A, &[(0, 7)]),
        numbers(0xA405, 3, &[35, 70]),
        numbers(0xA403, 9, &[1]),
    ]);
    // Zero is a number. If a field has several numbers, the first one counts.
    let expected = json!({"make": "any", "focal_length_mm": 0, "focal_length_35mm": 35, "white_balance": "manual"});
    assert_eq!(exif, expected);
}

#[test]
fn texts_lose_only_their_padding() {
    for (field, expected, warned) in [
        (ascii(MAKE, b"Canon\0\0\0"), json!("Canon"), false),
        (ascii(MAKE, b"  NIKON  "), json!("NIKON"), false),
        (ascii(MAKE, b"caf\xC3\xA9\0"), json!("café"), false),
        (ascii(MAKE, b"caf\xE9 \x80\0"), json!("café €"), true),
        (ascii(MAKE, b"\0\0\0\0\0\0"), Value::Null, false),
        (ascii(MAKE, b"   "), Value::Null, false),
        (undefined(MAKE, b"untyped\0"), json!("untyped"), false),
        (byte(0x9C9B, b"T\0i\0\x74\0\0\0"), json!("Tit"), false),
        (undefined(0x9C9F, b"S\0\xFC\0"), json!("Sü"), false),
    ] {
        let shown = format!("{} {}", field.tag, field.count);
        let (value, warnings) = tag("IFD0", field);
        assert_eq!(value, expected, "{shown}");
        assert_eq!(!warnings.is_empty(), warned, "{shown}: {warnings:?}");
    }
    let (exif, _) = exif(&Tiff {
        ifd0: vec![ascii(0x8298, b" \0editor\0")],
        ..Tiff::default()
    });
    assert_eq!(exif["copyright"], "editor");
}

#[test]
fn comments_may_have_any_character_code() {
    for (comment, expected) in [
        (&b"ASCII\0\0\0hello\0\0"[..], json!("hello")),
        (b"\0\0\0\0\0\0\0\0hello", json!("hello")),
        (b"UNICODE\0h\0i\0", json!("hi")),
        // The byte order differs from that of the block.
        (b"UNICODE\0\0h\0i", json!("hi")),
        (b"JIS\0\0\0\0\0\x1B$B$\"\x1B(B", json!("あ")),
        (b"ASCII\0\0\0        ", Value::Null),
    ] {
        assert_eq!(
            tag("ExifIFD", undefined(USER_COMMENT, comment)),
            (expected, vec![]),
            "{comment:?}"
        );
    }
    for field in [
        byte(USER_COMMENT, b"ASCII\0\0\0hello"),
        ascii(USER_COMMENT, b"ASCII\0\0\0hello\0"),
    ] {
        assert_eq!(tag("ExifIFD", field), (json!("hello"), vec![]));
    }
    let long = [b"ASCII\0\0\0", &[b'x'; 3000][..]].concat();
    let (value, _) = tag("ExifIFD", undefined(USER_COMMENT, &long));
    assert_eq!(value.as_str().map(str::len), Some(3000));
}

#[test]
fn long_values_are_left_out_on_purpose() {
    for (field, expected) in [
        (undefined(0x927C, &[1; 65]), "ExifIFD:MakerNote: 65 bytes"),
        (numbers(0xEA1C, 3, &[1; 65]), "ExifIFD:0xea1c: 65 values"),
        (
            ascii(0xA420, &vec![b'x'; 200_000]),
            "ExifIFD:ImageUniqueID: 200000 bytes",
        ),
    ] {
        let found = read(
            &Tiff {
                exif: vec![field],
                ..Tiff::of_make("any")
            }
            .bytes(),
        );
        assert_eq!((found.omitted, found.warnings), (vec![expected.to_owned()], vec![]));
    }
    let (value, _) = tag("ExifIFD", numbers(0xEA1C, 3, &[1; 64]));
    assert_eq!(value.as_array().map(Vec::len), Some(64));
}

#[test]
fn the_last_of_repeated_fields_counts() {
    let found = read(
        &Tiff {
            ifd0: vec![text(MAKE, "first"), text(MAKE, "last")],
            ..Tiff::default()
        }
        .bytes(),
    );
    assert_eq!(
        (crate::make(&found), &tags(&found)["IFD0:Make"]),
        (Some("last"), &json!("last"))
    );
}

#[test]
fn each_field_comes_from_its_own_table() {
    let found = read(
        &Tiff {
            ifd0: vec![short(0x8827, 100)],
            exif: vec![text(MAKE, "any")],
            ..Tiff::default()
        }
        .bytes(),
    );
    assert_eq!(serde_json::to_value(&found.exif).unwrap(), json!({}));
    assert_eq!(
        tags(&found).keys().collect::<Vec<_>>(),
        ["ExifIFD:0x010f", "IFD0:0x8827"]
    );
}
