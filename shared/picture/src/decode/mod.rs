//! A file to pixels: a module for each format.

mod gif;
#[cfg(feature = "heic")]
mod heic;
mod jpeg;
mod png;
mod tiff;
mod webp;

use crate::error::Error;
use crate::format::Format;
use crate::orient::Orientation;
use crate::picture::Picture;

/// What a file says about its picture, before anything is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// As stored, in pixels.
    pub width: usize,
    pub height: usize,
    /// The most bytes that decoding takes, the result included.
    pub memory: u64,
    /// How the picture is turned, if the format says so itself. What EXIF says does not count then.
    pub orientation: Option<Orientation>,
    /// Whether the samples are ink (CMYK).
    pub is_ink: bool,
}

/// What is needed of a picture. A decoder may give more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The longer side of the largest rendition, in pixels.
    pub max_edge: usize,
    /// Whether chroma is needed in the same size as luma, or in half of it.
    pub full_chroma: bool,
}

pub fn header(format: Format, file: &[u8], wanted: Wanted) -> Result<Header, Error> {
    match format {
        Format::Jpeg => jpeg::header(file, wanted),
        Format::Png => png::header(file),
        Format::WebP => webp::header(file),
        Format::Tiff => tiff::header(file),
        Format::Gif => gif::header(file),
        #[cfg(feature = "heic")]
        Format::Heif => heic::header(file),
        #[cfg(not(feature = "heic"))]
        Format::Heif => Err(Error::Unsupported(
            "HEIC pictures are decoded only if the function is built with the feature heic".to_owned(),
        )),
        Format::Avif => Err(Error::Unsupported("AVIF pictures are not decoded".to_owned())),
    }
}

/// Decodes a picture, whose header must have been read without an error.
pub fn decode(format: Format, file: &[u8], wanted: Wanted) -> Result<Picture, Error> {
    match format {
        Format::Jpeg => jpeg::decode(file, wanted),
        Format::Png => png::decode(file),
        Format::WebP => webp::decode(file),
        Format::Tiff => tiff::decode(file),
        Format::Gif => gif::decode(file),
        #[cfg(feature = "heic")]
        Format::Heif => heic::decode(file),
        #[cfg(not(feature = "heic"))]
        Format::Heif => Err(Error::Unsupported("this format is not decoded".to_owned())),
        Format::Avif => Err(Error::Unsupported("this format is not decoded".to_owned())),
    }
}

/// Pixels without anything to be said about them.
fn picture(image: crate::image::Image, icc_profile: Option<Vec<u8>>) -> Picture {
    Picture {
        pixels: crate::picture::Pixels::Image(image),
        icc_profile,
        warnings: Vec::new(),
    }
}

/// The bytes of an image, without overflow for any size that a header can give.
fn bytes(width: usize, height: usize, per_pixel: u64) -> u64 {
    (width as u64).saturating_mul(height as u64).saturating_mul(per_pixel)
}
