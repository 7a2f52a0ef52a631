use std::fmt;

use serde::{Deserialize, Serialize};

/// The format of a file. Its content decides, not its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Jpeg,
    Tiff,
    Heif,
    Avif,
    Png,
    Webp,
    Jxl,
    Jp2,
    /// JPEG XR.
    Jxr,
    Gif,
    Bmp,
    /// Also PSB.
    Psd,
    Dng,
    Cr2,
    Cr3,
    Crw,
    /// Also NRW.
    Nef,
    /// Also SR2.
    Arw,
    Raf,
    Orf,
    Rw2,
    Pef,
    Srw,
    Iiq,
    Kdc,
    Mrw,
    X3f,
    Unknown,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Format {
    /// How many of a file's first bytes show its container.
    pub(super) const FRONT_BYTES: u64 = 16;

    /// The format of a file, from its first 16 bytes. Most RAW files are TIFF here: their main table tells more.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Self::Png,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', 2, ..] => Self::Cr2,
            [b'I', b'I', 42, 0, _, _, _, _, b'I', b'I', b'I', b'I', ..]
            | [b'M', b'M', 0, 42, _, _, _, _, b'M', b'M', b'M', b'M', ..] => Self::Iiq,
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Self::Tiff,
            [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => Self::Orf,
            [b'I', b'I', b'U', 0, ..] => Self::Rw2,
            [b'I', b'I', 0xBC, _, ..] => Self::Jxr,
            [_, _, _, _, _, _, b'H', b'E', b'A', b'P', b'C', b'C', b'D', b'R', ..] => Self::Crw,
            _ if bytes.starts_with(b"FUJIFILMCCD-RAW") => Self::Raf,
            [0, b'M', b'R', b'M', ..] => Self::Mrw,
            [b'F', b'O', b'V', b'b', ..] => Self::X3f,
            [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', b'\r', b'\n', 0x87, b'\n', ..] => Self::Jxl,
            [0xFF, 0x4F, 0xFF, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', b' ', b' ', b'\r', b'\n', 0x87, b'\n', ..] => {
                Self::Jp2
            }
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [b'8', b'B', b'P', b'S', 0, 1 | 2, ..] => Self::Psd,
            // The rest of the header is too short to be sure, but two reserved fields are zero.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Self::Bmp,
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => Self::of_brands(brands),
            _ => Self::Unknown,
        }
    }

    /// ISO 14496-12, 4.3: the major brand comes first. As in ExifTool, only the major brand counts: a file with the
    /// brand `mif1` is HEIF, whichever codec its images have.
    fn of_brands(brands: &[u8]) -> Self {
        match brands.first_chunk() {
            // With a MinimizedImageBox: the version is the brand of the codec.
            Some(b"mif3") => match brands.get(4..8) {
                Some(b"avif") => Self::Avif,
                _ => Self::Heif,
            },
            Some(b"avif" | b"avis" | b"avio" | b"miaf") => Self::Avif,
            Some(b"crx ") => Self::Cr3,
            // ISO 23008-12, annex B: the brands of HEVC images, and those that any codec may use.
            Some(
                b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" | b"mif1" | b"mif2"
                | b"msf1",
            ) => Self::Heif,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        for (bytes, format) in [
            (&b"\xFF\xD8\xFF\xE0"[..], Format::Jpeg),
            (b"\x89PNG\r\n\x1A\n", Format::Png),
            (b"RIFF\0\0\0\0WEBPVP8 ", Format::Webp),
            (b"RIFF\0\0\0\0WAVE", Format::Unknown),
            (b"II*\0\x08\0\0\0", Format::Tiff),
            (b"MM\0*", Format::Tiff),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Format::Heif),
            (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", Format::Avif),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Format::Heif),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Format::Heif),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", Format::Unknown),
            (b"II*\0\x10\0\0\0CR\x02\0", Format::Cr2),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01", Format::Cr3),
            (b"IIRO\x08\0\0\0", Format::Orf),
            (b"IIU\0\x18\0\0\0", Format::Rw2),
            (b"FUJIFILMCCD-RAW ", Format::Raf),
            (b"\0MRM", Format::Mrw),
            (b"FOVb", Format::X3f),
            (b"II\x1A\0\0\0HEAPCCDR", Format::Crw),
            (b"II\xBC\x01", Format::Jxr),
            (b"\xFF\x0A", Format::Jxl),
            (b"\0\0\0\x0CJXL \r\n\x87\n", Format::Jxl),
            (b"\0\0\0\x0CjP  \r\n\x87\n", Format::Jp2),
            (b"GIF89a", Format::Gif),
            (b"8BPS\0\x02", Format::Psd),
            (b"BM\x10\x20\0\0\0\0\0\0", Format::Bmp),
            (b"BMW is a maker of cars", Format::Unknown),
            (b"", Format::Unknown),
            (b"just some text in a file named .jpg", Format::Unknown),
        ] {
            assert_eq!(Format::of(bytes), format, "{bytes:?}");
        }
    }
}
