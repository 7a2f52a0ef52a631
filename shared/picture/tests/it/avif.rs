//! AVIF, which is only encoded. There is no decoder to read it back, so what its boxes say is compared.

use moxcms::{ColorProfile, Layout, TransformOptions};
use picture::{Format, Target};

use crate::files::{self, Pixels};
use crate::make;

const ALPHA: &[u8] = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha";

fn contains(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// The size in the first `ispe` box.
fn size(file: &[u8]) -> (usize, usize) {
    let at = file.windows(4).position(|four| four == b"ispe").unwrap();
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    (number(at + 8), number(at + 12))
}

#[test]
fn every_format_becomes_avif() {
    let source = Pixels::any(60, 40);
    for file in [source.jpeg(), source.png(), source.webp(), source.tiff(), source.gif(1)] {
        for (orientation, expected) in [(1, (30, 20)), (6, (20, 30))] {
            let (output, warnings) = make(&file, 30, Target::Avif, orientation).unwrap();
            assert_eq!((output.format, warnings.len()), (Format::Avif, 0));
            assert_eq!(Format::of(&output.file), Some(Format::Avif));
            assert_eq!((output.width, output.height), expected);
            assert_eq!(size(&output.file), expected);
            assert!(!contains(&output.file, ALPHA));
        }
    }
}

#[test]
fn thin_and_tiny_pictures_keep_a_pixel() {
    for (width, height, expected) in [(1, 1, (1, 1)), (1, 20_000, (1, 64)), (20_000, 1, (64, 1))] {
        let (output, _) = make(&Pixels::any(width, height).png(), 64, Target::Avif, 1).unwrap();
        assert_eq!(size(&output.file), expected);
    }
}

#[test]
fn alpha_is_kept() {
    for (color, pixel) in [
        (png::ColorType::Rgba, &[200, 100, 50, 128][..]),
        (png::ColorType::GrayscaleAlpha, &[200, 128][..]),
    ] {
        let file = files::png(&pixel.repeat(100), (10, 10), (color, png::BitDepth::Eight), |_| {});
        let (output, _) = make(&file, 10, Target::Avif, 1).unwrap();
        assert!(contains(&output.file, ALPHA));
    }
}

#[test]
fn colours_of_a_profile_become_srgb() {
    let rgb = (png::ColorType::Rgb, png::BitDepth::Eight);
    let profile = ColorProfile::new_display_p3();
    let pixels = Pixels::any(32, 32);
    let file = files::png(&pixels.samples, (32, 32), rgb, |info| {
        info.icc_profile = Some(profile.encode().unwrap().into());
    });
    let mut converted = pixels.clone();
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default());
    transform
        .unwrap()
        .transform(&pixels.samples, &mut converted.samples)
        .unwrap();
    let avif = |file: &[u8]| make(file, 32, Target::Avif, 1).unwrap().0.file;
    assert!(avif(&file) == avif(&converted.png()));
    assert!(avif(&file) != avif(&pixels.png()));
}
