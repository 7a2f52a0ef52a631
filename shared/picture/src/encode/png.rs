use std::borrow::Cow;

use png::{BitDepth, ColorType, Encoder, EncodingError, Info};

use super::Output;
use crate::color::{profile_fits, rgb_from_ycbcr, without_opaque_alpha};
use crate::error::Error;
use crate::format::Format;
use crate::picture::{Picture, Pixels};

/// Encodes planes of the same size, or an image.
pub fn encode(picture: Picture) -> Result<Output, Error> {
    let image = match picture.pixels {
        Pixels::YCbCr(planes) => rgb_from_ycbcr(&planes),
        Pixels::Image(image) => without_opaque_alpha(image),
    };
    let size = |size: usize| u32::try_from(size).map_err(|_| Error::TooLarge("it has too many pixels".to_owned()));
    let mut info = Info::with_size(size(image.width)?, size(image.height)?);
    info.bit_depth = BitDepth::Eight;
    info.color_type = match image.channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    let profile = picture
        .icc_profile
        .filter(|profile| profile_fits(profile, image.channels));
    info.icc_profile = profile.map(Cow::Owned);
    let mut file = Vec::new();
    let written = Encoder::with_info(&mut file, info).and_then(|encoder| {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&image.samples)?;
        writer.finish()
    });
    written.map_err(|error: EncodingError| Error::Unsupported(format!("it cannot be a PNG: {error}")))?;
    Ok(Output {
        file,
        format: Format::Png,
        width: image.width,
        height: image.height,
    })
}
