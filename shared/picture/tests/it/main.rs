//! Pictures of all formats, made by other encoders and read back by other decoders.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot continue has failed, and its numbers are small"
)]

#[cfg(feature = "avif")]
mod avif;
mod bad_input;
mod colours;
mod files;
mod formats;
#[cfg(feature = "heic")]
mod heic;
mod orientations;

use picture::{Error, Format, Limits, Orientation, Output, Plan, Rendition, Target};

/// More than any test needs.
const LIMITS: Limits = Limits {
    max_pixels: 1 << 28,
    max_memory: 1 << 30,
};

fn rendition(max_edge: u32, target: Target) -> Rendition {
    Rendition {
        max_edge,
        target,
        quality: 90,
    }
}

/// Makes one rendition.
fn make(file: &[u8], max_edge: u32, target: Target, orientation: u16) -> Result<(Output, Vec<String>), Error> {
    let renditions = [rendition(max_edge, target)];
    let plan = Plan::new(file, &renditions, Orientation::from_exif(orientation), LIMITS)?;
    let (mut outputs, warnings) = plan.run()?;
    Ok((outputs.remove(0), warnings))
}

/// The pixels of an output as RGB, or as RGBA, by a decoder that is not the one of the crate where there is one.
fn pixels(output: &Output) -> Vec<Vec<u8>> {
    let (samples, channels, size) = match output.format {
        Format::Jpeg => files::read_jpeg(&output.file),
        Format::Png => files::read_png(&output.file),
        Format::WebP => files::read_webp(&output.file),
        other => panic!("{other:?} is not encoded"),
    };
    assert_eq!(size, (output.width, output.height));
    let rgb = |pixel: &[u8]| match *pixel {
        [gray] => vec![gray; 3],
        [gray, alpha] => vec![gray, gray, gray, alpha],
        _ => pixel.to_vec(),
    };
    samples.chunks_exact(channels).map(rgb).collect()
}

/// Whether two colours are as close as codecs with loss leave them.
fn is_close(found: &[u8], expected: &[u8]) -> bool {
    found
        .iter()
        .zip(expected)
        .all(|(found, expected)| found.abs_diff(*expected) <= 12)
}
