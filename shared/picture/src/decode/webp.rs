use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::{Header, bytes, picture};
use crate::error::Error;
use crate::image::Image;
use crate::picture::Picture;

pub fn header(file: &[u8]) -> Result<Header, Error> {
    let decoder = WebPDecoder::new(Cursor::new(file)).map_err(error)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    Ok(Header {
        width,
        height,
        // The result, and the planes of a lossy picture, the pixels of a lossless one, or the canvas of an animation.
        memory: bytes(width, height, if decoder.is_animated() { 14 } else { 8 }) + (4 << 20),
        orientation: None,
        is_ink: false,
    })
}

pub fn decode(file: &[u8]) -> Result<Picture, Error> {
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(error)?;
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut samples = vec![0; width as usize * height as usize * channels];
    decoder.read_image(&mut samples).map_err(error)?;
    let profile = decoder.icc_profile().map_err(error)?;
    Ok(picture(
        Image::new(width as usize, height as usize, channels, samples),
        profile,
    ))
}

fn error(error: DecodingError) -> Error {
    match error {
        DecodingError::UnsupportedFeature(what) => Error::Unsupported(what),
        error => Error::Damaged(error.to_string()),
    }
}
