//! EXIF in a JPEG: an APP1 segment that starts with `Exif\0\0`, anywhere before the image data.

/// ITU-T T.81, table B.1.
const TEM: u8 = 0x01;
const RST0: u8 = 0xD0;
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP1: u8 = 0xE1;

/// CIPA DC-008 (Exif 2.32), 4.7.2: the identifier, a NUL and a pad byte. Real files fill the pad
/// with other values too.
const EXIF_ID: &[u8] = b"Exif\0";

/// What was found in the bytes there are.
#[derive(Debug, PartialEq, Eq)]
pub enum Search<'a> {
    /// The TIFF block inside the segment.
    Found(&'a [u8]),
    /// The image data starts and no EXIF came before it.
    Absent,
    /// The bytes end first.
    Short,
}

/// Walks the segments up to the image data.
pub fn find_exif(bytes: &[u8]) -> Search<'_> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // T.81, B.1.1.2: a marker may be preceded by fill bytes; anything else between two segments
        // is damage, passed over.
        let Some(prefix) = rest.iter().position(|&byte| byte == 0xFF) else {
            return Search::Short;
        };
        let Some(offset) = rest[prefix..].iter().position(|&byte| byte != 0xFF) else {
            return Search::Short;
        };
        let marker = rest[prefix + offset];
        rest = &rest[prefix + offset + 1..];
        match marker {
            0 | TEM | RST0..=SOI => continue,
            SOS | EOI => return Search::Absent,
            _ => {}
        }
        let Some((length, after)) = rest.split_first_chunk() else {
            return Search::Short;
        };
        // The length counts its own two bytes.
        let length = usize::from(u16::from_be_bytes(*length)).saturating_sub(2);
        let Some((segment, after)) = after.split_at_checked(length) else {
            return Search::Short;
        };
        if marker == APP1 && segment.starts_with(EXIF_ID) && segment.len() > EXIF_ID.len() {
            return Search::Found(&segment[EXIF_ID.len() + 1..]);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], &length[..], body].concat()
    }

    fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
        [
            &[0xFF, SOI][..],
            &segments.concat(),
            &segment(SOS, &[0; 10]),
            &[1, 2, 3, 0xFF, EOI],
        ]
        .concat()
    }

    #[test]
    fn exif_need_not_come_first() {
        let exif = segment(APP1, b"Exif\0\0II*\0");
        let others = [
            segment(0xE0, b"JFIF\0"),
            segment(APP1, b"http://ns.adobe.com/xap/1.0/\0"),
            exif.clone(),
        ];
        for file in [jpeg(&[exif]), jpeg(&others)] {
            assert_eq!(find_exif(&file), Search::Found(b"II*\0"));
        }
    }

    #[test]
    fn a_cut_is_short_until_the_image_data() {
        let file = jpeg(&[segment(0xE0, b"JFIF\0"), segment(0xE2, &[7; 300])]);
        let scan = file.windows(2).position(|pair| pair == [0xFF, SOS]).unwrap();
        for end in 0..file.len() {
            let expected = if end < scan + 2 { Search::Short } else { Search::Absent };
            assert_eq!(find_exif(&file[..end]), expected, "cut at {end}");
        }
    }

    #[test]
    fn fill_bytes_and_rubbish_between_segments_are_passed_over() {
        let mut file = vec![0xFF, SOI, 0, 0, 0xFF, 0xFF];
        file.extend(segment(APP1, b"Exif\0\0MM"));
        assert_eq!(find_exif(&file), Search::Found(b"MM"));
    }
}
