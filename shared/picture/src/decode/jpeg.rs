use jpeg::{Color, Component, Decoded, Plane, Process, Scale};

use super::{Header, Wanted, picture};
use crate::color::rgb_from_cmyk;
use crate::error::Error;
use crate::fit::{Area, fitted, resize};
use crate::image::Image;
use crate::picture::{Picture, Pixels};

pub fn header(file: &[u8], wanted: Wanted) -> Result<Header, Error> {
    let header = jpeg::Header::read(file)?;
    let scales = scales(&header, wanted);
    let blocks = |component: &Component| {
        let (horizontal, vertical) = header.largest_factors();
        let mcus = header.width.div_ceil(8 * horizontal) * header.height.div_ceil(8 * vertical);
        (mcus * usize::from(component.horizontal) * usize::from(component.vertical)) as u64
    };
    let memory = header.components.iter().zip(&scales).map(|(component, scale)| {
        let coefficients = match header.process {
            Process::Sequential => 0,
            Process::Progressive => 8 + 2 * scale.coefficients() as u64,
        };
        blocks(component) * (coefficients + (scale.samples() * scale.samples()) as u64)
    });
    let largest = header
        .components
        .iter()
        .zip(&scales)
        .map(|(component, scale)| blocks(component) * (scale.samples() * scale.samples()) as u64);
    // Bytes for each sample of the largest plane, while colours are converted.
    let converted = match header.color {
        Color::Gray | Color::YCbCr => 0,
        Color::Rgb => 8,
        Color::Cmyk { .. } | Color::Ycck { .. } => 20,
    };
    let converted = largest.max().unwrap_or(0) * converted;
    Ok(Header {
        width: header.width,
        height: header.height,
        memory: memory.sum::<u64>() + converted + (1 << 20),
        orientation: None,
        is_ink: matches!(header.color, Color::Cmyk { .. } | Color::Ycck { .. }),
    })
}

pub fn decode(file: &[u8], wanted: Wanted) -> Result<Picture, Error> {
    let header = jpeg::Header::read(file)?;
    let scales = scales(&header, wanted);
    let Decoded { planes, is_damaged } = jpeg::decode(file, &scales)?;
    let images = planes.into_iter().zip(&header.components).zip(&scales);
    let mut images: Vec<Image> = images
        .map(|((plane, &component), &scale)| image(&header, component, scale, plane))
        .collect();
    let mut decoded = match (header.color, &mut images[..]) {
        (Color::YCbCr, [y, cb, cr]) => Picture {
            pixels: Pixels::YCbCr([y, cb, cr].map(|plane| std::mem::replace(plane, Image::new(0, 0, 1, Vec::new())))),
            icc_profile: header.icc_profile,
            warnings: Vec::new(),
        },
        (Color::Gray, _) => picture(images.remove(0), header.icc_profile),
        (Color::Rgb, _) => picture(interleaved(&images), header.icc_profile),
        (Color::Cmyk { inverted }, _) => {
            let mut image = interleaved(&images);
            if inverted {
                image.samples.iter_mut().for_each(|value| *value = 255 - *value);
            }
            picture(rgb_from_cmyk(&image, header.icc_profile.as_deref()), None)
        }
        (Color::Ycck { inverted }, _) => {
            let image = ink_from_ycck(&interleaved(&images), inverted);
            picture(rgb_from_cmyk(&image, header.icc_profile.as_deref()), None)
        }
        (Color::YCbCr, _) => return Err(Error::Damaged("there must be three components".to_owned())),
    };
    if is_damaged {
        let warning = "the picture is damaged or cut off: what is missing is grey";
        decoded.warnings.push(warning.to_owned());
    }
    Ok(decoded)
}

/// The size of a component in full.
fn size(header: &jpeg::Header, component: Component) -> (f64, f64) {
    let (horizontal, vertical) = header.largest_factors();
    let of = |size: usize, factor: u8, largest: usize| size as f64 * f64::from(factor) / largest as f64;
    (
        of(header.width, component.horizontal, horizontal),
        of(header.height, component.vertical, vertical),
    )
}

/// The smallest scale of each component that has the wanted size.
fn scales(header: &jpeg::Header, wanted: Wanted) -> Vec<Scale> {
    let (width, height) = fitted((header.width, header.height), wanted.max_edge);
    let scale = |(number, &component): (usize, &Component)| {
        let is_chroma = header.color == Color::YCbCr && number > 0;
        let divisor = if is_chroma && !wanted.full_chroma { 2 } else { 1 };
        let (full_width, full_height) = size(header, component);
        let of = |full: f64, wanted: usize| Scale::for_size(full.ceil() as usize, wanted.div_ceil(divisor));
        of(full_width, width).max(of(full_height, height))
    };
    header.components.iter().enumerate().map(scale).collect()
}

fn image(header: &jpeg::Header, component: Component, scale: Scale, plane: Plane) -> Image {
    let (width, height) = size(header, component);
    let scale = scale.samples() as f64 / 8.0;
    Image {
        covered: (width * scale, height * scale),
        ..Image::new(plane.width, plane.height, 1, plane.samples)
    }
}

/// One image of several planes. Planes that are smaller than the largest one are enlarged.
fn interleaved(planes: &[Image]) -> Image {
    let largest = planes
        .iter()
        .max_by_key(|plane| plane.samples.len())
        .unwrap_or(&planes[0]);
    let size = (largest.width, largest.height);
    let mut samples = vec![0; largest.samples.len() * planes.len()];
    for (number, plane) in planes.iter().enumerate() {
        // All of a plane, with its padding: every plane covers the same MCUs.
        let enlarged = ((plane.width, plane.height) != size).then(|| resize(plane, Area::all(plane), size));
        let plane = enlarged.as_ref().unwrap_or(plane);
        let targets = samples.iter_mut().skip(number).step_by(planes.len());
        for (target, &value) in targets.zip(&plane.samples) {
            *target = value;
        }
    }
    Image {
        covered: largest.covered,
        ..Image::new(size.0, size.1, planes.len(), samples)
    }
}

/// Ink from YCCK: its first three components are RGB as `YCbCr`, and RGB is what ink leaves of white.
fn ink_from_ycck(image: &Image, inverted: bool) -> Image {
    let plane = |number: usize| {
        let samples = image.samples.iter().skip(number).step_by(4).copied().collect();
        Image::new(image.width, image.height, 1, samples)
    };
    let rgb = crate::color::rgb_from_ycbcr(&[plane(0), plane(1), plane(2)]);
    let mut samples = image.samples.clone();
    for (inks, rgb) in samples.chunks_exact_mut(4).zip(rgb.pixels()) {
        for (ink, &value) in inks.iter_mut().zip(rgb) {
            // Adobe stores what ink leaves of white, and then transforms its complement.
            *ink = if inverted { value } else { 255 - value };
        }
        if inverted {
            inks[3] = 255 - inks[3];
        }
    }
    Image {
        covered: image.covered,
        ..Image::new(image.width, image.height, 4, samples)
    }
}
