use std::io::Cursor;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use fast_image_resize::images::Image;
use fast_image_resize::{PixelType, Resizer};
use image_webp::WebPDecoder;
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::kinds::Source;

/// Red, green and blue, each from 0 to 1.
#[derive(Clone)]
struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<[f32; 3]>,
}

/// The SSIMULACRA2 scores of the pictures that each program made of a source, in its folder: 100 is the same as the
/// reference, and 70 is high quality. The reference is the source, decoded at its full size by another decoder, and
/// scaled in floating point.
pub async fn scores(source: &Source, folders: &[PathBuf]) -> anyhow::Result<Vec<f64>> {
    let name = source.path.file_name().context("a source has a name")?;
    let made: Vec<PathBuf> = folders.iter().map(|folder| folder.join(name)).collect();
    let jpeg = source.jpeg.clone();
    let scores = tokio::task::spawn_blocking(move || {
        let source = decoded(&std::fs::read(jpeg)?)?;
        made.iter().map(|made| score(&source, &std::fs::read(made)?)).collect()
    });
    let scores: anyhow::Result<_> = scores.await?;
    scores.with_context(|| name.display().to_string())
}

fn score(source: &Pixels, made: &[u8]) -> anyhow::Result<f64> {
    let made = decoded(made)?;
    let reference = scaled(source, made.width, made.height)?;
    Ok(compute_frame_ssimulacra2(frame(reference)?, frame(made)?)?)
}

fn frame(Pixels { width, height, rgb }: Pixels) -> anyhow::Result<Rgb> {
    Ok(Rgb::new(
        rgb,
        width,
        height,
        TransferCharacteristic::SRGB,
        ColorPrimaries::BT709,
    )?)
}

fn decoded(file: &[u8]) -> anyhow::Result<Pixels> {
    let (width, height, samples) = match file {
        [0xff, 0xd8, ..] => {
            let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
            let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
            let samples = decoder.decode()?;
            let (width, height) = decoder.dimensions().context("a JPEG has a size")?;
            (width, height, samples)
        }
        [b'R', b'I', b'F', b'F', ..] => {
            let mut decoder = WebPDecoder::new(Cursor::new(file))?;
            let (width, height) = decoder.dimensions();
            let size = decoder.output_buffer_size().context("a WebP has a size")?;
            let mut samples = vec![0; size];
            decoder.read_image(&mut samples)?;
            (width as usize, height as usize, samples)
        }
        _ => bail!("it is neither JPEG nor WebP"),
    };
    let rgb = samples
        .as_chunks::<3>()
        .0
        .iter()
        .map(|pixel| pixel.map(|sample| f32::from(sample) / 255.0))
        .collect();
    Ok(Pixels { width, height, rgb })
}

fn scaled(pixels: &Pixels, width: usize, height: usize) -> anyhow::Result<Pixels> {
    if (pixels.width, pixels.height) == (width, height) {
        return Ok(pixels.clone());
    }
    let image = |width: usize, height: usize| anyhow::Ok((u32::try_from(width)?, u32::try_from(height)?));
    let (source_width, source_height) = image(pixels.width, pixels.height)?;
    let bytes = pixels
        .rgb
        .iter()
        .flatten()
        .flat_map(|sample| sample.to_ne_bytes())
        .collect();
    let source = Image::from_vec_u8(source_width, source_height, bytes, PixelType::F32x3)?;
    let (target_width, target_height) = image(width, height)?;
    let mut target = Image::new(target_width, target_height, PixelType::F32x3);
    // Lanczos with three lobes.
    Resizer::new().resize(&source, &mut target, None)?;
    let samples = target.buffer().as_chunks::<4>().0.iter();
    let samples: Vec<f32> = samples
        .map(|&bytes| f32::from_ne_bytes(bytes).clamp(0.0, 1.0))
        .collect();
    Ok(Pixels {
        width,
        height,
        rgb: samples.as_chunks::<3>().0.to_vec(),
    })
}
