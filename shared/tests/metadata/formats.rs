//! Files of the formats that have no builder in [`crate::files`], each with EXIF or XMP.

use crate::files::{iso_box, jpeg, segment};
use crate::tiff::{self, Tiff};

/// A packet with a title.
pub fn packet(title: &str) -> Vec<u8> {
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
         <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' dc:title='{title}'/></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

/// A dataset of the application record of IPTC.
pub fn dataset(number: u8, text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x1C, 2, number][..], &length, text].concat()
}

/// One of Photoshop's resources.
pub fn resource(id: u16, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    let padding = &[0][..data.len() % 2];
    [b"8BIM", &id.to_be_bytes()[..], &[0, 0], &length, data, padding].concat()
}

/// A JPEG with every kind of block, and the header of a picture of 3 by 2 pixels.
pub fn full_jpeg() -> Vec<u8> {
    let guid = [b'A'; 32];
    let extended = packet("extended");
    let length = u32::try_from(extended.len()).unwrap().to_be_bytes();
    let main = packet(&format!("title, and {}", String::from_utf8_lossy(&guid)));
    jpeg(&[
        crate::files::app1(&tiff::full(false).bytes()),
        segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", &main[..]].concat()),
        segment(
            0xE1,
            &[
                b"http://ns.adobe.com/xmp/extension/\0",
                &guid[..],
                &length,
                &[0; 4],
                &extended,
            ]
            .concat(),
        ),
        segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", &profile("a profile")[..]].concat()),
        segment(
            0xED,
            &[b"Photoshop 3.0\0", &resource(0x0404, &dataset(5, b"object"))[..]].concat(),
        ),
        segment(0xC0, &[8, 0, 2, 0, 3, 1, 1, 0x11, 0]),
    ])
}

/// A colour profile with a description.
pub fn profile(name: &str) -> Vec<u8> {
    let text = [
        b"desc\0\0\0\0",
        &u32::try_from(name.len() + 1).unwrap().to_be_bytes()[..],
        name.as_bytes(),
        &[0],
    ]
    .concat();
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [
        &[0; 128][..],
        &[0, 0, 0, 1],
        b"desc",
        &144_u32.to_be_bytes(),
        &length,
        &text,
    ]
    .concat()
}

pub fn gif() -> Vec<u8> {
    let trailer: Vec<u8> = std::iter::once(1).chain((0..=255).rev()).chain([0]).collect();
    let frame = b"\x21\xF9\x04\x01\0\0\0\0\x2C\0\0\0\0\x03\0\x02\0\0\x02\x02\x44\x01\0";
    [
        b"GIF89a\x03\0\x02\0\0\0\0",
        &b"\x21\xFF\x0BXMP DataXMP"[..],
        &packet("title"),
        &trailer,
        frame,
        frame,
        b"\x3B",
    ]
    .concat()
}

pub fn psd() -> Vec<u8> {
    let resources = [
        resource(0x0422, &tiff::full(false).bytes()),
        resource(0x0424, &packet("title")),
        resource(0x0404, &dataset(5, b"object")),
    ]
    .concat();
    let length = u32::try_from(resources.len()).unwrap().to_be_bytes();
    [
        b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x02\0\0\0\x03\0\x08\0\x03\0\0\0\0",
        &length[..],
        &resources,
    ]
    .concat()
}

pub fn jp2() -> Vec<u8> {
    let header = iso_box(b"ihdr", b"\0\0\0\x02\0\0\0\x03\0\x03\x07\x07\0\0");
    let id = 0xBE7A_CFCB_97A9_42E8_9C71_9994_91E3_AFAC_u128.to_be_bytes();
    [
        iso_box(b"jP  ", b"\r\n\x87\n"),
        iso_box(b"ftyp", b"jp2 \0\0\0\0jp2 "),
        iso_box(b"jp2h", &header),
        iso_box(b"uuid", &[b"JpgTiffExif->JP2", &tiff::full(false).bytes()[..]].concat()),
        iso_box(b"uuid", &[&id[..], &packet("title")].concat()),
        iso_box(b"jp2c", &[0xFF, 0x4F]),
    ]
    .concat()
}

/// With these boxes after the codestream.
pub fn jxl(boxes: &[Vec<u8>]) -> Vec<u8> {
    let codestream = iso_box(b"jxlc", &[0xFF, 0x0A, 0x41, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    [
        iso_box(b"JXL ", b"\r\n\x87\n"),
        iso_box(b"ftyp", b"jxl \0\0\0\0jxl "),
        codestream,
        boxes.concat(),
    ]
    .concat()
}

pub fn full_jxl() -> Vec<u8> {
    jxl(&[
        iso_box(b"Exif", &[&[0; 4], &tiff::full(false).bytes()[..]].concat()),
        iso_box(b"xml ", &packet("title")),
    ])
}

pub fn cr3() -> Vec<u8> {
    let exif = iso_box(b"CMT2", &Tiff::of_make("of another table").bytes());
    cr3_with(&Tiff::of_make("Maker & Sons"), &[exif])
}

/// With this main table, and with other boxes of metadata.
pub fn cr3_with(main: &Tiff, boxes: &[Vec<u8>]) -> Vec<u8> {
    let id = 0x85C0_B687_820F_11E0_8111_F4CE_462B_6A48_u128.to_be_bytes();
    let main = iso_box(b"CMT1", &main.bytes());
    let canon = iso_box(b"uuid", &[&id[..], &main, &boxes.concat()].concat());
    [
        iso_box(b"ftyp", b"crx \0\0\0\x01crx "),
        iso_box(b"moov", &canon),
        iso_box(b"mdat", &[0; 40]),
    ]
    .concat()
}

pub fn raf() -> Vec<u8> {
    let mut file = b"FUJIFILMCCD-RAW 0201FF393101".to_vec();
    file.resize(84, 0);
    let image = full_jpeg();
    file.extend(100_u32.to_be_bytes());
    file.extend(u32::try_from(image.len()).unwrap().to_be_bytes());
    file.resize(100, 0);
    [file, image].concat()
}

pub fn mrw() -> Vec<u8> {
    let block = tiff::full(false).bytes();
    let part =
        |name: &[u8; 4], body: &[u8]| [name, &u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    let parts = [part(b"\0PRD", &[0; 8]), part(b"\0TTW", &block)].concat();
    part(b"\0MRM", &parts)
}

pub fn x3f() -> Vec<u8> {
    let image = [b"SECi\0\0\x02\0\x02\0\0\0\x12\0\0\0", &[0; 12][..], &full_jpeg()].concat();
    let start = 64_u32;
    let mut file = b"FOVb\0\0\x02\0".to_vec();
    file.resize(64, 0);
    file.extend(&image);
    let directory = u32::try_from(file.len()).unwrap();
    file.extend(b"SECd\0\0\x02\0\x01\0\0\0");
    file.extend(start.to_le_bytes());
    file.extend(u32::try_from(image.len()).unwrap().to_le_bytes());
    file.extend(b"IMA2");
    file.extend(directory.to_le_bytes());
    file
}

pub fn bmp() -> Vec<u8> {
    let header = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x03\0\0\0\x02\0\0\0\x01\0\x18\0\0\0\0\0";
    [header, &[0; 40][..]].concat()
}

/// One file for each format.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("JPEG, every block", full_jpeg()),
        ("GIF", gif()),
        ("PSD", psd()),
        ("JP2", jp2()),
        ("JXL", full_jxl()),
        ("CR3", cr3()),
        ("RAF", raf()),
        ("MRW", mrw()),
        ("X3F", x3f()),
        ("BMP", bmp()),
    ]
}

mod tests {
    use serde_json::Value;
    use shared::metadata::Format;

    use super::*;
    use crate::{make, read};

    #[test]
    fn each_format_gives_its_blocks_and_the_size_of_its_picture() {
        let exif = Some("Maker & Sons");
        for ((name, file), (format, found_make, title, sized)) in all().into_iter().zip([
            (Format::Jpeg, exif, true, true),
            (Format::Gif, None, true, true),
            (Format::Psd, exif, true, true),
            (Format::Jp2, exif, true, true),
            (Format::Jxl, exif, true, true),
            (Format::Cr3, exif, false, false),
            (Format::Raf, exif, true, false),
            (Format::Mrw, exif, false, false),
            (Format::X3f, exif, true, false),
            (Format::Bmp, None, false, true),
        ]) {
            let found = read(&file);
            assert_eq!((found.format, make(&found)), (format, found_make), "{name}");
            let titles = found.xmp.as_ref().and_then(|xmp| xmp["dc:title"].as_str());
            assert_eq!(
                titles.is_some_and(|found| found.starts_with("title")),
                title,
                "{name}: {titles:?}"
            );
            let size = found
                .image
                .as_ref()
                .and_then(|image| Some((image.width?, image.height?)));
            assert_eq!(size.is_some(), sized, "{name}: {size:?}");
            assert_eq!(found.warnings, [""; 0], "{name}");
        }
    }

    #[test]
    fn every_block_of_a_jpeg_is_read() {
        let found = read(&full_jpeg());
        let xmp = found.xmp.unwrap();
        // Of a property that is in both packets, the main one counts.
        assert!(xmp["dc:title"].as_str().unwrap().starts_with("title, and"));
        assert_eq!(found.iptc.unwrap()["ObjectName"], Value::from("object"));
        let image = found.image.unwrap();
        assert_eq!(
            (image.width, image.height, image.bit_depth),
            (Some(3), Some(2), Some(8))
        );
        assert_eq!(image.icc_profile.as_deref(), Some("a profile"));
        assert!(found.description.unwrap().title.unwrap().starts_with("title, and"));
        assert_eq!(found.taken.unwrap().at.len(), "2024-07-14T09:30:12.27".len());
    }
}
