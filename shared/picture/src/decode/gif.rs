use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, MemoryLimit};

use super::{Header, bytes, picture};
use crate::color::without_opaque_alpha;
use crate::error::Error;
use crate::image::Image;
use crate::picture::Picture;

const CHANNELS: usize = 4;

fn decoder(file: &[u8]) -> Result<Decoder<&[u8]>, Error> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    // The size was compared with the limits.
    options.set_memory_limit(MemoryLimit::Unlimited);
    options.read_info(file).map_err(error)
}

pub fn header(file: &[u8]) -> Result<Header, Error> {
    let decoder = decoder(file)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    if width == 0 || height == 0 {
        return Err(Error::Damaged("the picture has no pixels".to_owned()));
    }
    Ok(Header {
        width,
        height,
        // The canvas, a first frame of the same size, and the canvas without alpha.
        memory: bytes(width, height, 3 * CHANNELS as u64) + (1 << 20),
        orientation: None,
        is_ink: false,
    })
}

/// Decodes the first frame.
pub fn decode(file: &[u8]) -> Result<Picture, Error> {
    let mut decoder = decoder(file)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let profile = decoder.icc_profile().map(<[u8]>::to_vec);
    let frame = decoder.next_frame_info().map_err(error)?;
    let frame = frame.ok_or_else(|| Error::Damaged("there is no picture".to_owned()))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let frame_width = usize::from(frame.width);
    if left + frame_width > width || top + usize::from(frame.height) > height {
        return Err(Error::Damaged("its first frame is larger than the picture".to_owned()));
    }
    let mut pixels = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut pixels).map_err(error)?;
    let mut samples = vec![0; width * height * CHANNELS];
    for (row, pixels) in pixels.chunks_exact((frame_width * CHANNELS).max(1)).enumerate() {
        samples[((top + row) * width + left) * CHANNELS..][..pixels.len()].copy_from_slice(pixels);
    }
    let image = Image::new(width, height, CHANNELS, samples);
    Ok(picture(without_opaque_alpha(image), profile))
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn error(error: DecodingError) -> Error {
    Error::Damaged(error.to_string())
}
