mod normal;

use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use self::normal::{has_fitting_jpegs, is_planar, is_preview, normalized};
use super::{Header, bytes, picture};
use crate::color::{rgb_from_cmyk, straight};
use crate::error::Error;
use crate::image::Image;
use crate::picture::Picture;

/// The largest value of a tag, such as a profile or the offsets of strips.
const MAX_TAG: usize = 16 << 20;

fn decoder(file: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, Error> {
    let decoder = Decoder::new(Cursor::new(file)).map_err(error)?;
    // The size was compared with the limits.
    let mut limits = Limits::unlimited();
    limits.ifd_value_size = MAX_TAG;
    Ok(decoder.with_limits(limits))
}

pub fn header(file: &[u8]) -> Result<Header, Error> {
    if is_preview(file) {
        return Err(Error::Unsupported(
            "a RAW file, or a TIFF whose first picture is a preview".to_owned(),
        ));
    }
    if is_planar(file) {
        return Err(Error::Unsupported("a TIFF with each channel apart".to_owned()));
    }
    if !has_fitting_jpegs(file) {
        return Err(Error::Damaged(
            "it holds a JPEG with more pixels than it says".to_owned(),
        ));
    }
    let (file, is_palette) = normalized(file);
    let mut decoder = decoder(&file)?;
    let (width, height) = decoder.dimensions().map_err(error)?;
    let kind = decoder.colortype().map_err(error)?;
    let (width, height) = (width as usize, height as usize);
    if width == 0 || height == 0 {
        return Err(Error::Damaged("the picture has no pixels".to_owned()));
    }
    let (channels, bits) = channels(kind)?;
    if is_palette && (channels, bits > 8) != (1, false) {
        return Err(Error::Unsupported("a TIFF with a palette of this kind".to_owned()));
    }
    // The samples as stored, one strip or tile of them, and the result.
    let per_pixel = channels as u64 * (2 * u64::from(bits).div_ceil(8) + 1);
    Ok(Header {
        width,
        height,
        memory: bytes(width, height, per_pixel + 3) + file.len() as u64 + (1 << 20),
        orientation: None,
        is_ink: false,
    })
}

/// The stored samples of a pixel, and their bits.
fn channels(kind: ColorType) -> Result<(usize, u8), Error> {
    let (channels, bits) = match kind {
        ColorType::Gray(bits) => (1, bits),
        ColorType::GrayA(bits) => (2, bits),
        ColorType::RGB(bits) | ColorType::YCbCr(bits) => (3, bits),
        ColorType::RGBA(bits) | ColorType::CMYK(bits) => (4, bits),
        ColorType::CMYKA(_) | ColorType::Palette(_) | ColorType::Lab(_) | ColorType::Multiband { .. } => {
            return Err(Error::Unsupported(format!("a TIFF with colours of type {kind:?}")));
        }
        _ => return Err(Error::Unsupported("a TIFF with unknown colours".to_owned())),
    };
    let is_packed = channels == 1 && matches!(bits, 1 | 2 | 4);
    if !is_packed && !matches!(bits, 8 | 16) {
        return Err(Error::Unsupported(format!("a TIFF with {bits} bits per sample")));
    }
    Ok((channels, bits))
}

/// Decodes the first picture.
pub fn decode(file: &[u8]) -> Result<Picture, Error> {
    let (file, is_palette) = normalized(file);
    let mut decoder = decoder(&file)?;
    let (width, height) = decoder.dimensions().map_err(error)?;
    let (width, height) = (width as usize, height as usize);
    let kind = decoder.colortype().map_err(error)?;
    let (channels, bits) = channels(kind)?;
    let samples = match decoder.read_image().map_err(error)? {
        DecodingResult::U8(samples) if bits < 8 => unpacked(&samples, width, bits, !is_palette),
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => samples.into_iter().map(|sample| (sample >> 8) as u8).collect(),
        _ => {
            return Err(Error::Unsupported(
                "a TIFF with samples that are no integers".to_owned(),
            ));
        }
    };
    if samples.len() != width * height * channels {
        return Err(Error::Damaged(
            "it has another number of samples than its size says".to_owned(),
        ));
    }
    let image = Image::new(width, height, channels, samples);
    let profile = decoder
        .find_tag(Tag::IccProfile)
        .ok()
        .flatten()
        .and_then(|value| value.into_u8_vec().ok());
    Ok(match kind {
        ColorType::Gray(_) if is_palette => picture(colored(&mut decoder, &image)?, profile),
        ColorType::CMYK(_) => picture(rgb_from_cmyk(&image, profile.as_deref()), None),
        ColorType::YCbCr(_) => picture(from_ycbcr(&image), profile),
        _ if image.has_alpha() && is_multiplied(&mut decoder) => picture(straight(image), profile),
        _ => picture(image, profile),
    })
}

/// One byte for each sample of fewer bits. `scaled`: the largest value becomes 255.
fn unpacked(packed: &[u8], width: usize, bits: u8, scaled: bool) -> Vec<u8> {
    let per_byte = usize::from(8 / bits);
    let most = (1_u16 << bits) - 1;
    let factor = if scaled { 255 / most } else { 1 };
    let rows = packed.chunks_exact(width.div_ceil(per_byte));
    rows.flat_map(|row| {
        let samples = row
            .iter()
            .flat_map(|&byte| (0..per_byte).map(move |at| byte >> (8 - bits as usize * (at + 1))));
        samples
            .take(width)
            .map(|sample| ((u16::from(sample) & most) * factor) as u8)
    })
    .collect()
}

/// RGB by the colour map: all reds, then all greens and all blues, with 16 bits.
fn colored(decoder: &mut Decoder<Cursor<&[u8]>>, image: &Image) -> Result<Image, Error> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(error)?;
    let count = map.len() / 3;
    let mut samples = Vec::with_capacity(image.samples.len() * 3);
    for &index in &image.samples {
        for channel in 0..3 {
            let color = map.get(channel * count + usize::from(index));
            let color = color.ok_or_else(|| Error::Damaged("a pixel has no colour in the colour map".to_owned()))?;
            samples.push((color >> 8) as u8);
        }
    }
    Ok(Image::new(image.width, image.height, 3, samples))
}

fn from_ycbcr(image: &Image) -> Image {
    let plane = |number: usize| {
        let samples = image.samples.iter().skip(number).step_by(3).copied().collect();
        Image::new(image.width, image.height, 1, samples)
    };
    crate::color::rgb_from_ycbcr(&[plane(0), plane(1), plane(2)])
}

/// Whether colours are stored multiplied with their alpha (TIFF 6.0, `ExtraSamples` 1).
fn is_multiplied(decoder: &mut Decoder<Cursor<&[u8]>>) -> bool {
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
    extra.as_deref() == Some(&[1])
}

fn error(error: TiffError) -> Error {
    match error {
        TiffError::UnsupportedError(what) => Error::Unsupported(what.to_string()),
        TiffError::LimitsExceeded => Error::TooLarge("one of its tags is too large".to_owned()),
        error => Error::Damaged(error.to_string()),
    }
}
