use webp::{Encoder, PixelLayout, WebPConfig};

use super::Output;
use crate::color::{profile_fits, rgb_from_gray, rgb_from_ycbcr, without_opaque_alpha};
use crate::error::Error;
use crate::format::Format;
use crate::picture::{Picture, Pixels};

/// The largest size in each direction (RFC 9649, 2.6).
const MAX_SIZE: usize = 16_383;

/// Encodes planes of the same size, or an image, with loss.
pub fn encode(picture: Picture, quality: u8) -> Result<Output, Error> {
    let image = match picture.pixels {
        Pixels::YCbCr(planes) => rgb_from_ycbcr(&planes),
        Pixels::Image(image) => rgb_from_gray(without_opaque_alpha(image)),
    };
    if image.width.max(image.height) > MAX_SIZE {
        return Err(Error::TooLarge(format!(
            "a WebP has at most {MAX_SIZE} pixels in each direction"
        )));
    }
    let failed = |error: &dyn std::fmt::Debug| Error::Unsupported(format!("it cannot be a WebP: {error:?}"));
    let mut config = WebPConfig::new().map_err(|()| failed(&"no settings"))?;
    config.quality = quality.into();
    let layout = if image.has_alpha() {
        PixelLayout::Rgba
    } else {
        PixelLayout::Rgb
    };
    let encoder = Encoder::new(&image.samples, layout, image.width as u32, image.height as u32);
    let result = encoder.encode_advanced(&config).map_err(|error| failed(&error))?;
    let profile = picture
        .icc_profile
        .filter(|profile| profile_fits(profile, image.channels));
    let file = match profile {
        None => result.to_vec(),
        Some(profile) => with_profile(&result, &profile, (image.width, image.height), image.has_alpha()),
    };
    Ok(Output {
        file,
        format: Format::WebP,
        width: image.width,
        height: image.height,
    })
}

/// Puts a profile into a file of the encoder (RFC 9649, 2.7): the chunk that says what follows, the profile, and then the
/// chunks of the picture.
fn with_profile(file: &[u8], profile: &[u8], (width, height): (usize, usize), has_alpha: bool) -> Vec<u8> {
    const RIFF_HEADER: usize = 12;
    const CHUNK_HEADER: usize = 8;
    const EXTENDED: usize = 10;
    const HAS_PROFILE: u8 = 0x20;
    const HAS_ALPHA: u8 = 0x10;
    let mut chunks = &file[RIFF_HEADER..];
    // A picture with alpha already has the first chunk.
    if chunks.starts_with(b"VP8X") {
        chunks = &chunks[CHUNK_HEADER + EXTENDED..];
    }
    let mut extended = [0; EXTENDED];
    extended[0] = HAS_PROFILE | if has_alpha { HAS_ALPHA } else { 0 };
    extended[4..7].copy_from_slice(&(width - 1).to_le_bytes()[..3]);
    extended[7..10].copy_from_slice(&(height - 1).to_le_bytes()[..3]);
    let mut body = b"WEBP".to_vec();
    for (name, content) in [(b"VP8X", &extended[..]), (b"ICCP", profile)] {
        body.extend(name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(content);
        // Chunks start at even bytes.
        body.resize(body.len().next_multiple_of(2), 0);
    }
    body.extend(chunks);
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}
