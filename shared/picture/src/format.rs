//! The formats of pictures, told apart by their first bytes, whatever their name says.

/// A format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Tiff,
    Gif,
    Heif,
    Avif,
}

impl Format {
    /// The format of a file. `None` if it is none of these.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<Self> {
        Some(match file {
            [0xFF, 0xD8, 0xFF, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Self::Png,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::WebP,
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Self::Tiff,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Self::Avif,
            [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => Self::Heif,
            _ => return None,
        })
    }
}
