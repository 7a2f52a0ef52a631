use std::fmt;

use serde::{Deserialize, Serialize};

/// The container of a file. Its content decides, not its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Jpeg,
    Tiff,
    Heif,
    Avif,
    Png,
    Webp,
    Unknown,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Format {
    /// How many of a file's first bytes show its format.
    pub(super) const FRONT_BYTES: u64 = 12;

    /// The format of a file, from its first 12 bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Self::Png,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Self::Tiff,
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => Self::of_brands(brands),
            _ => Self::Unknown,
        }
    }

    /// ISO 14496-12, 4.3: the major brand comes first. As in ExifTool, only the major brand counts: a file with the
    /// brand `mif1` is HEIF, whichever codec its images have.
    fn of_brands(brands: &[u8]) -> Self {
        match brands.first_chunk() {
            Some(b"avif" | b"avis" | b"avio" | b"miaf") => Self::Avif,
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
            (b"", Format::Unknown),
            (b"just some text in a file named .jpg", Format::Unknown),
        ] {
            assert_eq!(Format::of(bytes), format, "{bytes:?}");
        }
    }
}
