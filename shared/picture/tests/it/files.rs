//! Files of each format, by encoders and decoders that the crate does not use, where there are others.

use std::io::Cursor;

use jpeg_encoder::{ColorType, Encoder};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

/// RGB pixels.
#[derive(Clone)]
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub samples: Vec<u8>,
}

impl Pixels {
    pub fn new(width: usize, height: usize, color: impl Fn(usize, usize) -> [u8; 3]) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self {
            width,
            height,
            samples: places.flat_map(|(x, y)| color(x, y)).collect(),
        }
    }

    /// Something to look at, when only the size matters.
    pub fn any(width: usize, height: usize) -> Self {
        Self::new(width, height, |x, y| [(x * 5 % 256) as u8, (y * 3 % 256) as u8, 100])
    }

    pub fn jpeg(&self) -> Vec<u8> {
        self.jpeg_with(|_| {})
    }

    pub fn jpeg_with(&self, with: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
        jpeg(&self.samples, (self.width, self.height), ColorType::Rgb, with)
    }

    pub fn png(&self) -> Vec<u8> {
        png(
            &self.samples,
            (self.width, self.height),
            (png::ColorType::Rgb, png::BitDepth::Eight),
            |_| {},
        )
    }

    pub fn webp(&self) -> Vec<u8> {
        webpx::Encoder::new_rgb(&self.samples, self.width as u32, self.height as u32)
            .lossless(true)
            .encode(webpx::Unstoppable)
            .unwrap()
    }

    pub fn tiff(&self) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = tiff::encoder::TiffEncoder::new(&mut file).unwrap();
        encoder
            .write_image::<tiff::encoder::colortype::RGB8>(self.width as u32, self.height as u32, &self.samples)
            .unwrap();
        file.into_inner()
    }

    /// `frames` times the same picture.
    pub fn gif(&self, frames: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = gif::Encoder::new(&mut file, self.width as u16, self.height as u16, &[]).unwrap();
        let frame = gif::Frame::from_rgb(self.width as u16, self.height as u16, &self.samples);
        for _ in 0..frames {
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        file
    }
}

pub fn jpeg(
    samples: &[u8],
    size: (usize, usize),
    color: ColorType,
    with: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 95);
    with(&mut encoder);
    encoder.encode(samples, size.0 as u16, size.1 as u16, color).unwrap();
    file
}

pub fn png(
    samples: &[u8],
    size: (usize, usize),
    (color, depth): (png::ColorType, png::BitDepth),
    with: impl FnOnce(&mut png::Info<'_>),
) -> Vec<u8> {
    let mut info = png::Info::with_size(size.0 as u32, size.1 as u32);
    (info.color_type, info.bit_depth) = (color, depth);
    with(&mut info);
    let mut file = Vec::new();
    let mut writer = png::Encoder::with_info(&mut file, info)
        .unwrap()
        .write_header()
        .unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    file
}

/// Samples, their number per pixel, and the size.
type Read = (Vec<u8>, usize, (usize, usize));

pub fn read_jpeg(file: &[u8]) -> Read {
    let options = DecoderOptions::default().set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    let samples = decoder.decode().unwrap();
    let size = decoder.dimensions().unwrap();
    let channels = samples.len() / (size.0 * size.1);
    (samples, channels, size)
}

pub fn read_png(file: &[u8]) -> Read {
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut samples).unwrap();
    (
        samples,
        info.color_type.samples(),
        (info.width as usize, info.height as usize),
    )
}

/// With libwebp; the crate decodes with another library.
pub fn read_webp(file: &[u8]) -> Read {
    let has_alpha = webpx::ImageInfo::from_webp(file).unwrap().has_alpha;
    let decoded = if has_alpha {
        webpx::decode_rgba(file)
    } else {
        webpx::decode_rgb(file)
    };
    let (samples, width, height) = decoded.unwrap();
    (
        samples,
        if has_alpha { 4 } else { 3 },
        (width as usize, height as usize),
    )
}

/// A TIFF with one strip, little-endian. Each entry has a tag, a type (3: SHORT, 4: LONG), a count, and a value.
pub fn tiff(entries: &[(u16, u16, u32, u32)], data: &[u8]) -> Vec<u8> {
    const DATA: usize = 512;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.resize(DATA, 0);
    file.extend(data);
    file
}
