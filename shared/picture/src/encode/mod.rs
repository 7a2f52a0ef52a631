//! Pixels to a file: a module for each format.

#[cfg(feature = "avif")]
mod avif;
mod jpeg;
mod png;
mod webp;

use crate::error::Error;
use crate::format::Format;
use crate::picture::Picture;

/// The largest profile that is kept, in bytes. Profiles of cameras and displays are a thousand times smaller, and those
/// of printing presses half as large.
const MAX_PROFILE: usize = 4 << 20;

/// An encoded rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub file: Vec<u8>,
    pub format: Format,
    /// In pixels.
    pub width: usize,
    pub height: usize,
}

/// Whether this build can encode a format.
#[must_use]
pub fn can_encode(format: Format) -> bool {
    match format {
        Format::Jpeg | Format::Png | Format::WebP => true,
        Format::Avif => cfg!(feature = "avif"),
        Format::Tiff | Format::Gif | Format::Heif => false,
    }
}

/// Encodes a picture that has its final size. Its profile is kept, if it describes what is encoded.
pub fn encode(mut picture: Picture, format: Format, quality: u8) -> Result<Output, Error> {
    picture.icc_profile = picture.icc_profile.filter(|profile| profile.len() <= MAX_PROFILE);
    match format {
        Format::Jpeg => jpeg::encode(picture, quality),
        Format::Png => png::encode(picture),
        Format::WebP => webp::encode(picture, quality),
        #[cfg(feature = "avif")]
        Format::Avif => avif::encode(picture, quality),
        #[cfg(not(feature = "avif"))]
        Format::Avif => Err(Error::Unsupported(format!("{format:?} is not encoded"))),
        Format::Tiff | Format::Gif | Format::Heif => Err(Error::Unsupported(format!("{format:?} is not encoded"))),
    }
}
