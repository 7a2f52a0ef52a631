//! The encoder, read back by two other decoders.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test that cannot continue has failed"
)]

mod reference;

use jpeg::{Encoding, Plane, encode};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

fn plane(width: usize, height: usize, seed: u32) -> Plane {
    let mut noise = seed;
    let samples = (0..width * height).map(|index| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (index % width, index / width);
        (60 + (x * 3 + y * seed as usize) % 120 + (noise >> 27) as usize) as u8
    });
    Plane {
        width,
        height,
        samples: samples.collect(),
    }
}

fn planes(width: usize, height: usize, count: usize) -> Vec<Plane> {
    let half = (width.div_ceil(2), height.div_ceil(2));
    let all = [
        plane(width, height, 1),
        plane(half.0, half.1, 2),
        plane(half.0, half.1, 3),
    ];
    all[..count].to_vec()
}

fn encoding(quality: u8) -> Encoding<'static> {
    Encoding {
        quality,
        icc_profile: None,
    }
}

/// The typical difference between the samples of a plane and those of the file.
fn root_mean_square(plane: &Plane, component: &reference::Component) -> f64 {
    let (found, stride) = component.samples(8);
    let mut sum = 0.0;
    for y in 0..plane.height {
        for (x, &sample) in plane.row(y).iter().enumerate() {
            sum += (f64::from(sample) - found[y * stride + x]).powi(2);
        }
    }
    (sum / plane.samples.len() as f64).sqrt()
}

#[test]
fn samples_are_what_the_quality_leaves_of_them() {
    for (width, height) in [(1, 1), (1, 200), (200, 1), (8, 8), (17, 33), (16, 16), (130, 71)] {
        for count in [1, 3] {
            for (quality, limit) in [(100, 0.7), (90, 8.0), (50, 30.0), (1, 90.0)] {
                let planes = planes(width, height, count);
                let file = encode(&planes, encoding(quality));
                let components = reference::decode(&file);
                assert_eq!(components.len(), count);
                for (plane, component) in planes.iter().zip(&components) {
                    let error = root_mean_square(plane, component);
                    assert!(error <= limit, "{width} {height} {count} {quality}: {error}");
                }
            }
        }
    }
}

#[test]
fn other_decoders_read_the_file() {
    for (width, height, count) in [(1, 1, 1), (1, 1, 3), (1, 16_000, 3), (333, 77, 3), (64, 64, 1)] {
        let file = encode(&planes(width, height, count), encoding(80));
        let mut decoder = JpegDecoder::new(ZCursor::new(&file));
        let pixels = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((width, height)));
        assert!(pixels.len() >= width * height);
    }
}

#[test]
fn a_large_profile_is_kept_byte_for_byte() {
    let profile: Vec<u8> = (0..200_000_u32).map(|index| ((index * 7) >> 3) as u8).collect();
    let file = encode(
        &planes(20, 20, 3),
        Encoding {
            quality: 80,
            icc_profile: Some(&profile),
        },
    );
    let mut decoder = JpegDecoder::new(ZCursor::new(&file));
    decoder.decode_headers().unwrap();
    assert!(decoder.icc_profile().unwrap() == profile);
}

#[test]
fn a_higher_quality_takes_more_bytes() {
    let planes = planes(200, 200, 3);
    let lengths: Vec<usize> = [1, 10, 50, 75, 90, 100]
        .into_iter()
        .map(|quality| encode(&planes, encoding(quality)).len())
        .collect();
    assert!(lengths.is_sorted() && lengths[0] * 4 < lengths[5], "{lengths:?}");
}
