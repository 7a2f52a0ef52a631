use std::io::Cursor;

use png::{ColorType, Decoder, Info, Limits, Transformations};

use super::{Header, bytes, picture};
use crate::color::Description;
use crate::error::Error;
use crate::image::Image;
use crate::picture::{Picture, Pixels};

/// Chunks before the picture, such as a profile, may take as much.
const CHUNKS: u64 = 4 << 20;

fn decoder(file: &[u8], memory: u64) -> Decoder<Cursor<&[u8]>> {
    let limits = Limits {
        bytes: usize::try_from(memory.saturating_add(CHUNKS)).unwrap_or(usize::MAX),
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), limits);
    // 8 bits per sample; palettes become colours, and transparent colours become alpha.
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder
}

pub fn header(file: &[u8]) -> Result<Header, Error> {
    let mut decoder = decoder(file, 0);
    let info = decoder.read_header_info().map_err(error)?;
    let (width, height) = (info.width as usize, info.height as usize);
    Ok(Header {
        width,
        height,
        // The samples, and a copy of them whose colours are converted or multiplied with alpha. Before its samples have
        // 8 bits, a row has 16.
        memory: bytes(width, height, 8) + bytes(width, 1, 64) + 3 * CHUNKS,
        orientation: None,
        is_ink: false,
    })
}

pub fn decode(file: &[u8]) -> Result<Picture, Error> {
    let memory = header(file)?.memory;
    let mut reader = decoder(file, memory).read_info().map_err(error)?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| Error::TooLarge("it has too many pixels".to_owned()))?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples).map_err(error)?;
    samples.truncate(frame.buffer_size());
    let channels = match frame.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(Error::Unsupported("its palette cannot be applied".to_owned())),
    };
    // An animation may have a smaller first frame; the picture that is not part of it has the full size.
    let image = Image::new(frame.width as usize, frame.height as usize, channels, samples);
    let info = reader.info();
    let mut decoded = picture(image, info.icc_profile.as_ref().map(|profile| profile.to_vec()));
    if decoded.icc_profile.is_none()
        && let Some(description) = description(info)
        && let Pixels::Image(image) = decoded.pixels
    {
        decoded.pixels = Pixels::Image(description.to_srgb(image)?);
    }
    Ok(decoded)
}

/// How the file describes its colours, unless they are sRGB (PNG, third edition, 4.3: cICP comes first, gAMA last).
fn description(info: &Info<'_>) -> Option<Description> {
    if let Some(points) = info.coding_independent_code_points {
        return Some(Description::CodePoints {
            primaries: points.color_primaries,
            transfer: points.transfer_function,
        });
    }
    if info.srgb.is_some() {
        return None;
    }
    let chromaticities = info
        .chrm_chunk
        .map(|found| [found.white, found.red, found.green, found.blue].map(|(x, y)| (x.into_value(), y.into_value())));
    let gamma = info.gama_chunk.map(png::ScaledFloat::into_value);
    (gamma.is_some() || chromaticities.is_some()).then(|| Description::Gamma {
        exponent: 1.0 / gamma.unwrap_or(0.45455),
        chromaticities,
    })
}

fn error(error: png::DecodingError) -> Error {
    match error {
        png::DecodingError::LimitsExceeded => Error::TooLarge("its chunks take too much memory".to_owned()),
        error => Error::Damaged(error.to_string()),
    }
}
