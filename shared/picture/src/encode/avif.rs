use moxcms::ColorProfile;
use ravif::{Encoder, MatrixCoefficients, PixelRange};

use super::Output;
use crate::color::{profile_fits, rgb_from_gray, rgb_from_ycbcr, srgb_from, without_opaque_alpha, ycbcr};
use crate::error::Error;
use crate::format::Format;
use crate::picture::{Picture, Pixels};

/// The largest size in each direction (AV1, 5.5.1).
const MAX_SIZE: usize = 65_536;

/// From 1 to 10. At 9, a picture takes half of the time, but a WebP that looks the same has no more bytes. At 8, it has
/// about 15 % fewer bytes than a WebP.
const SPEED: u8 = 8;

/// Encodes planes of the same size, or an image, with loss. The encoder writes no profiles, so the colours become sRGB.
pub fn encode(picture: Picture, quality: u8) -> Result<Output, Error> {
    let image = match picture.pixels {
        Pixels::YCbCr(planes) => rgb_from_ycbcr(&planes),
        Pixels::Image(image) => without_opaque_alpha(image),
    };
    if image.width.max(image.height) > MAX_SIZE {
        return Err(Error::TooLarge(format!(
            "an AVIF has at most {MAX_SIZE} pixels in each direction"
        )));
    }
    let profile = picture
        .icc_profile
        .filter(|profile| profile_fits(profile, image.channels))
        .and_then(|profile| ColorProfile::new_from_slice(&profile).ok());
    let image = match profile {
        Some(profile) => srgb_from(&profile, &image)?,
        None => rgb_from_gray(image),
    };
    // The planes as they are, with 8 bits: the encoder for 10 bits would double the time to compile this crate.
    let planes = image.pixels().map(ycbcr);
    let alpha = image.has_alpha().then(|| image.pixels().map(|pixel| pixel[3]));
    let encoded = Encoder::new()
        .with_quality(quality.into())
        .with_alpha_quality(quality.into())
        .with_speed(SPEED)
        .encode_raw_planes_8_bit(
            image.width,
            image.height,
            planes,
            alpha,
            PixelRange::Full,
            MatrixCoefficients::BT601,
        );
    let encoded = encoded.map_err(|error| Error::Unsupported(format!("it cannot be an AVIF: {error}")))?;
    Ok(Output {
        file: encoded.avif_file,
        format: Format::Avif,
        width: image.width,
        height: image.height,
    })
}
