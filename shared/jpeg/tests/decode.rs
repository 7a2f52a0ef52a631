//! The decoder, compared with one that does what T.81 says and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test that cannot continue has failed"
)]

mod reference;

use jpeg::{Error, Header, Scale, decode};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// A picture with edges, gradients and noise in all its channels.
fn pixels(width: usize, height: usize, channels: usize) -> Vec<u8> {
    let mut noise = 12_345_u32;
    let mut pixels = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let edge = if (x / 7 + y / 5 + channel) % 3 == 0 { 120 } else { 0 };
                let gradient = (x * (channel + 1) + y * 2) % 100;
                pixels.push((edge + gradient + (noise >> 28) as usize) as u8);
            }
        }
    }
    pixels
}

fn file(size: (usize, usize), color: ColorType, with: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let channels = match color {
        ColorType::Luma => 1,
        ColorType::Rgb => 3,
        _ => 4,
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    with(&mut encoder);
    encoder
        .encode(&pixels(size.0, size.1, channels), size.0 as u16, size.1 as u16, color)
        .unwrap();
    file
}

fn scale(samples: usize) -> Scale {
    Scale::for_size(8, samples)
}

/// Compares all samples at all scales.
fn compare(file: &[u8], what: &str) {
    let components = reference::decode(file);
    for samples in 1..=8 {
        let decoded = decode(file, &vec![scale(samples); components.len()]).unwrap();
        assert!(!decoded.is_damaged, "{what}");
        for (number, (plane, component)) in decoded.planes.iter().zip(&components).enumerate() {
            let (exact, width) = component.samples(samples);
            assert_eq!(
                (plane.width, plane.samples.len()),
                (width, exact.len()),
                "{what} {samples}"
            );
            for (index, (&found, exact)) in plane.samples.iter().zip(exact).enumerate() {
                let difference = (f64::from(found) - exact).abs();
                assert!(
                    difference < 0.51,
                    "{what}, scale {samples}, component {number}, sample {index}: {found}, not {exact}"
                );
            }
        }
    }
}

#[test]
fn all_kinds_of_files_are_decoded_exactly() {
    use SamplingFactor as F;
    let factors = [
        F::F_1_1,
        F::F_2_1,
        F::F_1_2,
        F::F_2_2,
        F::F_4_1,
        F::F_4_2,
        F::F_1_4,
        F::F_2_4,
    ];
    for size in [(1, 1), (8, 8), (17, 33), (70, 45)] {
        for factor in factors {
            for (is_progressive, interval) in [(false, 0), (true, 0), (false, 3), (true, 3)] {
                let file = file(size, ColorType::Rgb, |encoder| {
                    encoder.set_sampling_factor(factor);
                    encoder.set_progressive(is_progressive);
                    encoder.set_restart_interval(interval);
                });
                compare(&file, &format!("{size:?} {factor:?} {is_progressive} {interval}"));
            }
        }
        for color in [ColorType::Luma, ColorType::Cmyk, ColorType::CmykAsYcck] {
            compare(&file(size, color, |_| {}), &format!("{size:?} {color:?}"));
            let optimized = file(size, color, |encoder| {
                encoder.set_optimized_huffman_tables(true);
            });
            compare(&optimized, &format!("{size:?} {color:?} optimized"));
        }
    }
}

#[test]
fn successive_approximation_is_decoded_exactly() {
    compare(include_bytes!("files/progressive.jpg"), "progressive.jpg");
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_there() {
    for is_progressive in [false, true] {
        let file = file((64, 64), ColorType::Rgb, |encoder| {
            encoder.set_progressive(is_progressive);
        });
        let whole = decode(&file, &[Scale::FULL; 3]).unwrap();
        let cut = decode(&file[..file.len() / 2], &[Scale::FULL; 3]).unwrap();
        assert!(!whole.is_damaged && cut.is_damaged);
        if !is_progressive {
            let rows = 8 * cut.planes[0].width;
            assert_eq!(cut.planes[0].samples[..rows], whole.planes[0].samples[..rows]);
        }
        for length in (0..file.len()).step_by(13) {
            // Any of the two is fine, but no panic.
            let _ = decode(&file[..length], &[Scale::FULL; 3]);
        }
    }
}

#[test]
fn an_interval_that_is_missing_leaves_the_others_where_they_are() {
    let file = file((64, 64), ColorType::Luma, |encoder| {
        encoder.set_restart_interval(8);
    });
    let whole = decode(&file, &[Scale::FULL]).unwrap();
    let restarts: Vec<usize> = (0..file.len() - 1)
        .filter(|&at| file[at] == 0xFF && file[at + 1] & 0xF8 == 0xD0)
        .collect();
    let mut damaged = file.clone();
    damaged.drain(restarts[2]..restarts[3]);
    let decoded = decode(&damaged, &[Scale::FULL]).unwrap();
    assert!(decoded.is_damaged);
    let (found, expected) = (&decoded.planes[0].samples, &whole.planes[0].samples);
    assert_eq!(found[..64 * 24], expected[..64 * 24]);
    assert!(found[64 * 24..64 * 32].iter().all(|&sample| sample == 128));
    assert_eq!(found[64 * 32..], expected[64 * 32..]);
}

#[test]
fn what_cannot_be_decoded_is_an_error() {
    let file = file((16, 16), ColorType::Rgb, |_| {});
    let frame = (0..file.len())
        .find(|&at| file[at..].starts_with(&[0xFF, 0xC0]))
        .unwrap();
    let with = |offset: usize, value: u8| {
        let mut file = file.clone();
        file[frame + offset] = value;
        Header::read(&file).map(|header| header.components.len())
    };
    assert_eq!(Header::read(b"GIF89a"), Err(Error::NotJpeg));
    assert!(matches!(with(1, 0xC3), Err(Error::Unsupported(_))), "lossless");
    assert!(matches!(with(1, 0xC9), Err(Error::Unsupported(_))), "arithmetic");
    assert!(matches!(with(4, 12), Err(Error::Unsupported(_))), "12 bits");
    assert!(matches!(with(9, 2), Err(Error::Unsupported(_))), "two components");
    assert!(matches!(with(11, 0x05), Err(Error::Damaged(_))), "a factor of 0");
    let mut no_height = file.clone();
    no_height[frame + 5..frame + 7].fill(0);
    assert!(matches!(Header::read(&no_height), Err(Error::Unsupported(_))), "DNL");
}
