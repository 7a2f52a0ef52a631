use jpeg::{Encoding, Plane};

use super::Output;
use crate::color::{on_white, profile_fits, ycbcr_from_rgb};
use crate::error::Error;
use crate::format::Format;
use crate::image::Image;
use crate::picture::{Picture, Pixels};

/// The largest size in each direction (T.81, B.2.2).
const MAX_SIZE: usize = 65_535;

/// Encodes luma and chroma of half the size, or an image.
pub fn encode(picture: Picture, quality: u8) -> Result<Output, Error> {
    let images = match picture.pixels {
        Pixels::YCbCr(planes) => Vec::from(planes),
        Pixels::Image(image) => match on_white(image) {
            image if image.channels == 1 => vec![image],
            image => Vec::from(ycbcr_from_rgb(&image)),
        },
    };
    let (width, height) = (images[0].width, images[0].height);
    if width.max(height) > MAX_SIZE {
        return Err(Error::TooLarge(format!(
            "a JPEG has at most {MAX_SIZE} pixels in each direction"
        )));
    }
    let profile = picture
        .icc_profile
        .filter(|profile| profile_fits(profile, images.len()));
    let planes: Vec<Plane> = images.into_iter().map(plane).collect();
    let encoding = Encoding {
        quality,
        icc_profile: profile.as_deref(),
    };
    Ok(Output {
        file: jpeg::encode(&planes, encoding),
        format: Format::Jpeg,
        width,
        height,
    })
}

fn plane(image: Image) -> Plane {
    Plane {
        width: image.width,
        height: image.height,
        samples: image.samples,
    }
}
