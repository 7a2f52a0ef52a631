//! Pictures that compress like photos: a sky of two colours, discs, and the grain of a sensor. They are computed with
//! integers only, so every machine draws the same.

use std::ops::RangeInclusive;

use rand::{Rng, RngExt};

pub struct Picture {
    pub width: u16,
    pub height: u16,
    pub rgb: Vec<u8>,
}

const SHAPES: usize = 12;

struct Disc {
    x: i32,
    y: i32,
    radius: i32,
    colour: [i32; 3],
}

/// A small picture, as in the guide's set.
pub fn small(rng: &mut impl Rng) -> Picture {
    // The sum of two draws puts three sizes in four near the middle, so sizes vary as in a real folder.
    let long = 236 + rng.random_range(0..=152) + rng.random_range(0..=152);
    let (width, height) = if rng.random_bool(0.7) {
        (long, long * 3 / 4)
    } else {
        (long * 3 / 4, long)
    };
    draw(rng, width, height, 3..=9)
}

/// A picture of up to 65,535 pixels in each direction, with the grain of a photo that is not scaled down.
pub fn large(rng: &mut impl Rng, width: i32, height: i32) -> Picture {
    draw(rng, width, height, 8..=14)
}

/// `grain` is the largest difference of a sample from its plain colour.
fn draw(rng: &mut impl Rng, width: i32, height: i32, grain: RangeInclusive<i32>) -> Picture {
    let long = width.max(height);
    let (top, bottom) = (colour(rng), colour(rng));
    let grain = rng.random_range(grain);
    let discs: Vec<Disc> = (0..SHAPES)
        .map(|_| Disc {
            x: rng.random_range(0..width),
            y: rng.random_range(0..height),
            radius: rng.random_range(4..=long / 5),
            colour: colour(rng),
        })
        .collect();
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let disc = discs
                .iter()
                .find(|disc| (x - disc.x).pow(2) + (y - disc.y).pow(2) < disc.radius.pow(2));
            let noise = rng.random_range(-grain..=grain);
            for channel in 0..3 {
                let plain = match disc {
                    Some(disc) => disc.colour[channel],
                    None => (top[channel] * (height - y) + bottom[channel] * y) / height,
                };
                let value = (plain + noise).clamp(0, 255);
                rgb.push(u8::try_from(value).unwrap_or(u8::MAX));
            }
        }
    }
    let side = |length: i32| u16::try_from(length).unwrap_or(u16::MAX);
    Picture {
        width: side(width),
        height: side(height),
        rgb,
    }
}

fn colour(rng: &mut impl Rng) -> [i32; 3] {
    [0; 3].map(|_: i32| rng.random_range(0..=255))
}
