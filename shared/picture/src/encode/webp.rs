use webpx::{Encoder, Unstoppable, YuvPlanesRef};

use super::Output;
use crate::color::{limited_range, profile_fits, rgb_from_gray, without_opaque_alpha};
use crate::error::Error;
use crate::format::Format;
use crate::picture::{Picture, Pixels};

/// The largest size in each direction (RFC 9649, 2.6).
const MAX_SIZE: usize = 16_383;

/// Encodes luma and chroma of half the size, or an image, with loss.
pub fn encode(picture: Picture, quality: u8) -> Result<Output, Error> {
    let profile = picture.icc_profile.as_deref();
    match picture.pixels {
        // WebP has the planes of a JPEG, with another range of values.
        Pixels::YCbCr(planes) => {
            let [y, u, v] = limited_range(planes);
            let planes = YuvPlanesRef {
                y: &y.samples,
                y_stride: y.width,
                u: &u.samples,
                u_stride: u.width,
                v: &v.samples,
                v_stride: v.width,
                a: None,
                a_stride: 0,
                width: y.width as u32,
                height: y.height as u32,
            };
            let profile = profile.filter(|profile| profile_fits(profile, 3));
            output(Encoder::new_yuv(planes), (y.width, y.height), profile, quality)
        }
        Pixels::Image(image) => {
            let image = rgb_from_gray(without_opaque_alpha(image));
            let new = if image.has_alpha() {
                Encoder::new_rgba
            } else {
                Encoder::new_rgb
            };
            let encoder = new(&image.samples, image.width as u32, image.height as u32);
            let profile = profile.filter(|profile| profile_fits(profile, image.channels));
            output(encoder, (image.width, image.height), profile, quality)
        }
    }
}

fn output(
    encoder: Encoder,
    (width, height): (usize, usize),
    profile: Option<&[u8]>,
    quality: u8,
) -> Result<Output, Error> {
    if width.max(height) > MAX_SIZE {
        return Err(Error::TooLarge(format!(
            "a WebP has at most {MAX_SIZE} pixels in each direction"
        )));
    }
    let encoder = encoder.quality(quality.into());
    let encoder = match profile {
        Some(profile) => encoder.icc_profile(profile),
        None => encoder,
    };
    let file = encoder.encode(Unstoppable);
    let file = file.map_err(|error| Error::Unsupported(format!("it cannot be a WebP: {}", error.error())))?;
    Ok(Output {
        file,
        format: Format::WebP,
        width,
        height,
    })
}
