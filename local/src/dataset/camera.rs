//! EXIF as cameras of several makers write it.

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Field, In, Rational, SRational, Tag, Value};
use rand::{Rng, RngExt};

use super::picture::Picture;

struct Camera {
    make: &'static str,
    model: &'static str,
    software: &'static str,
    lens: Option<&'static str>,
    /// Intel byte order, which most makers use.
    little_endian: bool,
    /// Percentage of photos with a position.
    with_gps: u8,
    /// Whether the time has a time zone, as on phones and recent cameras.
    with_offset: bool,
    focal_mm: std::ops::RangeInclusive<u32>,
    /// The crop factor in tenths: the focal length for the same view on 35 mm film, divided by the real one.
    crop: u32,
}

const CAMERAS: [Camera; 9] = [
    Camera {
        make: "Canon",
        model: "Canon EOS R5",
        software: "Firmware Version 1.8.1",
        lens: Some("RF24-105mm F4 L IS USM"),
        little_endian: true,
        with_gps: 5,
        with_offset: true,
        focal_mm: 24..=105,
        crop: 10,
    },
    Camera {
        make: "NIKON CORPORATION",
        model: "NIKON Z 6_2",
        software: "Ver.01.60",
        lens: Some("NIKKOR Z 24-70mm f/4 S"),
        little_endian: true,
        with_gps: 5,
        with_offset: true,
        focal_mm: 24..=70,
        crop: 10,
    },
    Camera {
        make: "SONY",
        model: "ILCE-7M4",
        software: "ILCE-7M4 v3.00",
        lens: Some("FE 24-105mm F4 G OSS"),
        little_endian: true,
        with_gps: 0,
        with_offset: true,
        focal_mm: 24..=105,
        crop: 10,
    },
    Camera {
        make: "FUJIFILM",
        model: "X-T5",
        software: "Digital Camera X-T5 Ver2.03",
        lens: Some("XF18-55mmF2.8-4 R LM OIS"),
        little_endian: true,
        with_gps: 0,
        with_offset: true,
        focal_mm: 18..=55,
        crop: 15,
    },
    Camera {
        make: "OLYMPUS CORPORATION",
        model: "E-M5MarkIII",
        software: "Version 1.5",
        lens: Some("OLYMPUS M.12-45mm F4.0"),
        little_endian: true,
        with_gps: 0,
        with_offset: false,
        focal_mm: 12..=45,
        crop: 20,
    },
    Camera {
        make: "Panasonic",
        model: "DC-S5M2",
        software: "Ver.2.0",
        lens: None,
        little_endian: true,
        with_gps: 0,
        with_offset: false,
        focal_mm: 20..=60,
        crop: 10,
    },
    Camera {
        make: "Apple",
        model: "iPhone 14 Pro",
        software: "17.1.1",
        lens: Some("iPhone 14 Pro back triple camera 6.86mm f/1.78"),
        little_endian: false,
        with_gps: 90,
        with_offset: true,
        focal_mm: 6..=9,
        crop: 35,
    },
    Camera {
        make: "samsung",
        model: "SM-S918B",
        software: "S918BXXU3AWGJ",
        lens: None,
        little_endian: true,
        with_gps: 60,
        with_offset: true,
        focal_mm: 6..=8,
        crop: 38,
    },
    Camera {
        make: "DJI",
        model: "FC3582",
        software: "10.00.05.05",
        lens: None,
        little_endian: true,
        with_gps: 100,
        with_offset: false,
        focal_mm: 6..=7,
        crop: 36,
    },
];

/// Percentage of photos without EXIF, as after an export "without metadata".
const WITHOUT_EXIF: u32 = 6;

/// The body of an APP1 segment, or `None` for a photo without EXIF.
pub fn exif(rng: &mut impl Rng, index: usize, picture: &Picture) -> anyhow::Result<Option<Vec<u8>>> {
    if rng.random_ratio(WITHOUT_EXIF, 100) {
        return Ok(None);
    }
    let camera = &CAMERAS[rng.random_range(0..CAMERAS.len())];
    let fields = fields(rng, camera, index, picture);
    let mut writer = Writer::new();
    for field in &fields {
        writer.push_field(field);
    }
    // Offsets in EXIF count from the TIFF header. So the writer gets a buffer without the identifier "Exif\0\0".
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, camera.little_endian)?;
    Ok(Some([b"Exif\0\0", tiff.get_ref().as_slice()].concat()))
}

fn fields(rng: &mut impl Rng, camera: &Camera, index: usize, picture: &Picture) -> Vec<Field> {
    const OFFSETS: [&str; 6] = ["+00:00", "+01:00", "+02:00", "+09:00", "-05:00", "-08:00"];

    let mut fields = always(rng, camera, picture);
    if rng.random_bool(0.5) {
        fields.push(text(
            Tag::SubSecTimeOriginal,
            &format!("{:02}", rng.random_range(0..100)),
        ));
    }
    if camera.with_offset {
        fields.push(text(
            Tag::OffsetTimeOriginal,
            OFFSETS[rng.random_range(0..OFFSETS.len())],
        ));
    }
    if let Some(lens) = camera.lens {
        fields.push(text(Tag::LensModel, lens));
    }
    if index.is_multiple_of(3) {
        fields.push(text(Tag::Artist, "Zoë Example"));
        fields.push(text(Tag::Copyright, "© Zoë Example"));
    }
    if rng.random_ratio(u32::from(camera.with_gps), 100) {
        fields.extend(position(rng));
    }
    fields
}

/// The fields that every camera writes.
fn always(rng: &mut impl Rng, camera: &Camera, picture: &Picture) -> Vec<Field> {
    const SHUTTERS: [u32; 10] = [15, 30, 60, 100, 125, 250, 500, 1000, 2000, 4000];
    const STOPS: [u32; 8] = [18, 20, 28, 35, 40, 56, 80, 110];
    const ISOS: [u16; 8] = [50, 100, 200, 400, 800, 1600, 3200, 6400];

    let taken = format!(
        "20{:02}:{:02}:{:02} {:02}:{:02}:{:02}",
        rng.random_range(15..26),
        rng.random_range(1..13),
        rng.random_range(1..29),
        rng.random_range(0..24),
        rng.random_range(0..60),
        rng.random_range(0..60)
    );
    let (width, height) = (u32::from(picture.width), u32::from(picture.height));
    let focal = rng.random_range(camera.focal_mm.clone());
    let orientation = [1, 1, 1, 1, 3, 6, 8][rng.random_range(0..7)];
    vec![
        text(Tag::Make, camera.make),
        text(Tag::Model, camera.model),
        text(Tag::Software, camera.software),
        short(Tag::Orientation, orientation),
        rational(Tag::XResolution, &[(72, 1)]),
        rational(Tag::YResolution, &[(72, 1)]),
        short(Tag::ResolutionUnit, 2),
        text(Tag::DateTime, &taken),
        text(Tag::DateTimeOriginal, &taken),
        text(Tag::DateTimeDigitized, &taken),
        rational(Tag::ExposureTime, &[(1, SHUTTERS[rng.random_range(0..SHUTTERS.len())])]),
        rational(Tag::FNumber, &[(STOPS[rng.random_range(0..STOPS.len())], 10)]),
        short(Tag::ExposureProgram, 2),
        short(Tag::PhotographicSensitivity, ISOS[rng.random_range(0..ISOS.len())]),
        undefined(Tag::ExifVersion, b"0232"),
        signed(Tag::ExposureBiasValue, (rng.random_range(-6..=6), 3)),
        short(Tag::MeteringMode, 5),
        short(Tag::Flash, if rng.random_bool(0.1) { 9 } else { 16 }),
        rational(Tag::FocalLength, &[(focal, 1)]),
        short(
            Tag::FocalLengthIn35mmFilm,
            u16::try_from(focal * camera.crop / 10).unwrap_or_default(),
        ),
        short(Tag::WhiteBalance, u16::from(rng.random_bool(0.2))),
        undefined(Tag::FlashpixVersion, b"0100"),
        short(Tag::ColorSpace, 1),
        long(Tag::PixelXDimension, width),
        long(Tag::PixelYDimension, height),
        short(Tag::SceneCaptureType, 0),
    ]
}

fn position(rng: &mut impl Rng) -> Vec<Field> {
    let mut angle = |degrees: u32| {
        [
            (rng.random_range(0..degrees), 1),
            (rng.random_range(0..60), 1),
            (rng.random_range(0..6000), 100),
        ]
    };
    let (latitude, longitude) = (angle(90), angle(180));
    let sides = (rng.random_bool(0.7), rng.random_bool(0.6));
    vec![
        Field {
            tag: Tag::GPSVersionID,
            ifd_num: In::PRIMARY,
            value: Value::Byte(vec![2, 3, 0, 0]),
        },
        text(Tag::GPSLatitudeRef, if sides.0 { "N" } else { "S" }),
        rational(Tag::GPSLatitude, &latitude),
        text(Tag::GPSLongitudeRef, if sides.1 { "E" } else { "W" }),
        rational(Tag::GPSLongitude, &longitude),
        Field {
            tag: Tag::GPSAltitudeRef,
            ifd_num: In::PRIMARY,
            value: Value::Byte(vec![u8::from(rng.random_bool(0.05))]),
        },
        rational(Tag::GPSAltitude, &[(rng.random_range(0..25_000), 10)]),
    ]
}

fn field(tag: Tag, value: Value) -> Field {
    Field {
        tag,
        ifd_num: In::PRIMARY,
        value,
    }
}

fn text(tag: Tag, text: &str) -> Field {
    field(tag, Value::Ascii(vec![text.as_bytes().to_vec()]))
}

fn short(tag: Tag, number: u16) -> Field {
    field(tag, Value::Short(vec![number]))
}

fn long(tag: Tag, number: u32) -> Field {
    field(tag, Value::Long(vec![number]))
}

fn undefined(tag: Tag, bytes: &[u8]) -> Field {
    field(tag, Value::Undefined(bytes.to_vec(), 0))
}

fn rational(tag: Tag, parts: &[(u32, u32)]) -> Field {
    let parts = parts.iter().map(|&(num, denom)| Rational { num, denom });
    field(tag, Value::Rational(parts.collect()))
}

fn signed(tag: Tag, (num, denom): (i32, i32)) -> Field {
    field(tag, Value::SRational(vec![SRational { num, denom }]))
}
