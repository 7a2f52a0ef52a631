//! Conversions of colours.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, TransformOptions, XyY,
};

use crate::error::Error;
use crate::image::Image;

/// Fixed-point numbers with 16 bits behind the point.
const ONE: i32 = 1 << 16;
const HALF: i32 = ONE / 2;

fn sample(fixed: i32) -> u8 {
    u8::try_from(((fixed + HALF) >> 16).clamp(0, 255)).unwrap_or(u8::MAX)
}

/// RGB from luma and chroma of the same size, as in JFIF (ITU-T T.871, clause 7).
pub fn rgb_from_ycbcr([y, cb, cr]: &[Image; 3]) -> Image {
    let mut samples = Vec::with_capacity(y.samples.len() * 3);
    for ((&y, &cb), &cr) in y.samples.iter().zip(&cb.samples).zip(&cr.samples) {
        let (y, cb, cr) = (i32::from(y) * ONE, i32::from(cb) - 128, i32::from(cr) - 128);
        samples.extend([
            sample(y + 91_881 * cr),
            sample(y - 22_554 * cb - 46_802 * cr),
            sample(y + 116_130 * cb),
        ]);
    }
    Image::new(y.width, y.height, 3, samples)
}

/// Luma, and chroma of half the size in both directions, as in JFIF. At odd edges, the last pixels are repeated.
pub fn ycbcr_from_rgb(image: &Image) -> [Image; 3] {
    let (width, height) = (image.width, image.height);
    let luma = |pixel: &[u8]| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(i32::from);
        sample(19_595 * red + 38_470 * green + 7_471 * blue)
    };
    let y = Image::new(width, height, 1, image.pixels().map(luma).collect());
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut chroma = [
        Vec::with_capacity(half_width * half_height),
        Vec::with_capacity(half_width * half_height),
    ];
    for row in 0..half_height {
        let rows = [2 * row, (2 * row + 1).min(height - 1)].map(|row| image.row(row));
        for column in 0..half_width {
            let columns = [2 * column, (2 * column + 1).min(width - 1)];
            // The sums of four pixels.
            let mut sums = [0; 3];
            for (row, column) in rows.iter().flat_map(|row| columns.map(|column| (row, column))) {
                for (sum, &value) in sums.iter_mut().zip(&row[column * 3..][..3]) {
                    *sum += i32::from(value);
                }
            }
            let [red, green, blue] = sums;
            chroma[0].push(sample((-11_059 * red - 21_709 * green + 32_768 * blue) / 4 + 128 * ONE));
            chroma[1].push(sample((32_768 * red - 27_439 * green - 5_329 * blue) / 4 + 128 * ONE));
        }
    }
    let [cb, cr] = chroma.map(|samples| Image::new(half_width, half_height, 1, samples));
    [y, cb, cr]
}

/// Planes with the range of values that video has (ITU-R BT.601: luma from 16 to 235, chroma from 16 to 240), from those
/// of JFIF, which use the whole range.
pub fn limited_range([mut y, mut cb, mut cr]: [Image; 3]) -> [Image; 3] {
    let narrow = |plane: &mut Image, levels: i32, (from, to): (i32, i32)| {
        let value = |value: i32| ((value - from) * levels + to * 255 + 127) / 255;
        let table: Vec<u8> = (0..=255).map(|full| value(full) as u8).collect();
        for sample in &mut plane.samples {
            *sample = table[usize::from(*sample)];
        }
    };
    narrow(&mut y, 219, (0, 16));
    narrow(&mut cb, 224, (128, 128));
    narrow(&mut cr, 224, (128, 128));
    [y, cb, cr]
}

/// Luma and chroma of one pixel, as in JFIF. Alpha is left out.
#[cfg(feature = "avif")]
pub fn ycbcr(pixel: &[u8]) -> [u8; 3] {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(i32::from);
    [
        sample(19_595 * red + 38_470 * green + 7_471 * blue),
        sample(-11_059 * red - 21_709 * green + 32_768 * blue + 128 * ONE),
        sample(32_768 * red - 27_439 * green - 5_329 * blue + 128 * ONE),
    ]
}

/// Places an image on white, if it has alpha.
pub fn on_white(image: Image) -> Image {
    if !image.has_alpha() {
        return image;
    }
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
    };
    let mut samples = Vec::with_capacity(image.width * image.height * (image.channels - 1));
    for pixel in image.pixels() {
        if let [values @ .., alpha] = pixel {
            samples.extend(values.iter().map(|&value| blend(value, *alpha)));
        }
    }
    Image {
        channels: image.channels - 1,
        samples,
        ..image
    }
}

/// Divides colours by their alpha, with which they are multiplied.
pub fn straight(mut image: Image) -> Image {
    for pixel in image.samples.chunks_exact_mut(image.channels) {
        if let [values @ .., alpha] = pixel {
            let alpha = u16::from(*alpha).max(1);
            for value in values {
                *value = (u16::from(*value) * 255 / alpha).min(255) as u8;
            }
        }
    }
    image
}

/// Removes alpha that is nowhere transparent.
pub fn without_opaque_alpha(image: Image) -> Image {
    let is_opaque = image.has_alpha() && image.pixels().all(|pixel| pixel.ends_with(&[255]));
    if is_opaque { on_white(image) } else { image }
}

/// Grey as RGB.
pub fn rgb_from_gray(image: Image) -> Image {
    let samples = match image.channels {
        1 => image.samples.iter().flat_map(|&value| [value; 3]).collect(),
        2 => image
            .pixels()
            .flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]])
            .collect(),
        _ => return image,
    };
    Image {
        channels: image.channels + 2,
        samples,
        ..image
    }
}

/// Whether a profile describes images with as many channels of colour.
pub fn profile_fits(profile: &[u8], image_channels: usize) -> bool {
    // The colour space is at byte 16 of a profile (ICC.1, 7.2).
    match profile.get(16..20) {
        Some(b"GRAY") => image_channels <= 2,
        Some(b"RGB ") => image_channels >= 3,
        _ => false,
    }
}

/// sRGB from ink: 255 is full ink. Without a usable profile, each ink takes its share of the light: a default that makes
/// no assumption about a printing press.
pub fn rgb_from_cmyk(image: &Image, profile: Option<&[u8]>) -> Image {
    let profile = profile.and_then(|profile| ColorProfile::new_from_slice(profile).ok());
    let profile = profile.filter(|profile| profile.color_space == DataColorSpace::Cmyk);
    let mut samples = vec![0; image.width * image.height * 3];
    let converted = profile.is_some_and(|profile| {
        let options = TransformOptions::default();
        let transform = profile.create_transform_8bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, options);
        transform.is_ok_and(|transform| transform.transform(&image.samples, &mut samples).is_ok())
    });
    if !converted {
        for (inks, rgb) in image.pixels().zip(samples.chunks_exact_mut(3)) {
            let light = |ink: u8| 255 - u32::from(ink);
            for (value, &ink) in rgb.iter_mut().zip(inks) {
                *value = u8::try_from((light(ink) * light(inks[3]) + 127) / 255).unwrap_or(u8::MAX);
            }
        }
    }
    Image {
        covered: image.covered,
        ..Image::new(image.width, image.height, 3, samples)
    }
}

/// Converts an image to sRGB. Grey becomes RGB.
pub fn srgb_from(profile: &ColorProfile, image: &Image) -> Result<Image, Error> {
    let (from, to, channels) = match image.channels {
        1 => (Layout::Gray, Layout::Rgb, 3),
        2 => (Layout::GrayAlpha, Layout::Rgba, 4),
        3 => (Layout::Rgb, Layout::Rgb, 3),
        _ => (Layout::Rgba, Layout::Rgba, 4),
    };
    let mut samples = vec![0; image.width * image.height * channels];
    let transform = profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default());
    transform
        .and_then(|transform| transform.transform(&image.samples, &mut samples))
        .map_err(|error| Error::Unsupported(format!("its colours cannot be converted to sRGB: {error}")))?;
    Ok(Image {
        covered: image.covered,
        ..Image::new(image.width, image.height, channels, samples)
    })
}

/// How colours are described without an ICC profile.
#[derive(Clone, Copy, Debug)]
pub enum Description {
    /// Code points of ITU-T H.273: primaries and transfer function.
    CodePoints { primaries: u8, transfer: u8 },
    /// The exponent with which a decoder makes light of a value, and the chromaticities of white, red, green and blue.
    Gamma {
        exponent: f32,
        chromaticities: Option<[(f32, f32); 4]>,
    },
}

impl Description {
    /// Converts an image to sRGB.
    pub fn to_srgb(self, image: Image) -> Result<Image, Error> {
        let Some(profile) = self.profile()? else {
            return Ok(image);
        };
        srgb_from(&profile, &rgb_from_gray(image))
    }

    /// `None`: it is sRGB, or nothing is known.
    fn profile(self) -> Result<Option<ColorProfile>, Error> {
        match self {
            Self::CodePoints { primaries, transfer } => {
                let unsupported = |what: &str| Error::Unsupported(format!("{what} is not supported"));
                let primaries = CicpColorPrimaries::try_from(primaries).map_err(|_| unsupported("its colour space"))?;
                let transfer =
                    TransferCharacteristics::try_from(transfer).map_err(|_| unsupported("its transfer function"))?;
                if matches!(
                    transfer,
                    TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg
                ) {
                    return Err(unsupported("high dynamic range"));
                }
                let is_srgb = matches!(primaries, CicpColorPrimaries::Bt709 | CicpColorPrimaries::Unspecified)
                    && matches!(
                        transfer,
                        TransferCharacteristics::Srgb | TransferCharacteristics::Unspecified
                    );
                Ok((!is_srgb).then(|| {
                    ColorProfile::new_from_cicp(CicpProfile {
                        color_primaries: primaries,
                        transfer_characteristics: transfer,
                        matrix_coefficients: MatrixCoefficients::Identity,
                        full_range: true,
                    })
                }))
            }
            Self::Gamma {
                exponent,
                chromaticities,
            } => {
                // sRGB is close to 2.2, and files that mean sRGB say 2.2.
                let is_srgb = (exponent - 2.2).abs() < 0.05 && chromaticities.is_none_or(is_bt709);
                if is_srgb || !(0.1..10.0).contains(&exponent) {
                    return Ok(None);
                }
                let mut profile = ColorProfile::new_srgb();
                if let Some([white, red, green, blue]) = chromaticities {
                    let point = |(x, y)| Chromaticity::new(x, y);
                    let white = XyY {
                        x: white.0.into(),
                        y: white.1.into(),
                        yb: 1.0,
                    };
                    profile.update_rgb_colorimetry(
                        white,
                        ColorPrimaries {
                            red: point(red),
                            green: point(green),
                            blue: point(blue),
                        },
                    );
                }
                let curve = Some(ToneReprCurve::Parametric(vec![exponent]));
                profile.cicp = None;
                (profile.red_trc, profile.green_trc, profile.blue_trc) = (curve.clone(), curve.clone(), curve);
                Ok(Some(profile))
            }
        }
    }
}

/// Whether these are the chromaticities of sRGB (ITU-R BT.709).
fn is_bt709(found: [(f32, f32); 4]) -> bool {
    let expected = [(0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)];
    let differs = |(a, b): (f32, f32), (c, d): (f32, f32)| (a - c).abs() > 0.01 || (b - d).abs() > 0.01;
    !found
        .into_iter()
        .zip(expected)
        .any(|(found, expected)| differs(found, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_survive_the_way_there_and_back() {
        for color in [
            [0, 0, 0],
            [255, 255, 255],
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [12, 200, 99],
        ] {
            let planes = ycbcr_from_rgb(&Image::new(2, 2, 3, color.repeat(4)));
            let full = planes.map(|plane| Image::new(1, 1, 1, plane.samples[..1].to_vec()));
            for (found, expected) in rgb_from_ycbcr(&full).samples.iter().zip(color) {
                assert!(found.abs_diff(expected) <= 2, "{color:?}: {found}");
            }
        }
    }

    #[test]
    fn video_has_fewer_values() {
        let plane = || Image::new(4, 1, 1, vec![0, 128, 254, 255]);
        let [y, cb, cr] = limited_range([plane(), plane(), plane()]).map(|plane| plane.samples);
        assert_eq!((y, cb), (vec![16, 126, 234, 235], vec![16, 128, 239, 240]));
        assert_eq!(cr, [16, 128, 239, 240]);
    }

    #[test]
    fn ink_without_a_profile_takes_light() {
        let inks = [[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 255, 255, 128]].concat();
        let rgb = rgb_from_cmyk(&Image::new(4, 1, 4, inks), None);
        let expected = [[255, 255, 255], [0, 255, 255], [0, 0, 0], [127, 0, 0]].concat();
        assert_eq!(rgb.samples, expected);
    }

    #[test]
    fn transparent_pixels_become_white() {
        let image = Image::new(3, 1, 4, [[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]].concat());
        let expected = [[10, 20, 30], [255, 255, 255], [127, 127, 127]].concat();
        assert_eq!(on_white(image), Image::new(3, 1, 3, expected));
    }

    #[test]
    fn other_colour_spaces_become_srgb() {
        let gray = Image::new(1, 1, 1, vec![128]);
        let linear = Description::Gamma {
            exponent: 1.0,
            chromaticities: None,
        };
        let brighter = linear.to_srgb(gray.clone()).unwrap().samples;
        assert!(brighter.iter().all(|value| value.abs_diff(188) <= 1), "{brighter:?}");
        let srgb = Description::Gamma {
            exponent: 1.0 / 0.45455,
            chromaticities: None,
        };
        assert_eq!(srgb.to_srgb(gray.clone()).unwrap(), gray);
        // Display P3: its red lies outside of sRGB.
        let p3 = Description::CodePoints {
            primaries: 12,
            transfer: 13,
        };
        let red = p3.to_srgb(Image::new(1, 1, 3, vec![200, 100, 100])).unwrap().samples;
        assert!(red[0] > 205 && red[1] < 100, "{red:?}");
        for transfer in [16, 18] {
            let hdr = Description::CodePoints { primaries: 9, transfer };
            assert!(matches!(hdr.to_srgb(gray.clone()), Err(Error::Unsupported(_))));
        }
    }
}
