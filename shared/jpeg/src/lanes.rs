//! Arithmetic on rows of eight numbers, which the compiler turns into vector instructions.

use std::ops::{Add, Mul, Sub};

/// Eight numbers that are computed with at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lanes(pub [f32; 8]);

impl Add for Lanes {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] - other.0[lane]))
    }
}

impl Mul<f32> for Lanes {
    type Output = Self;

    #[inline]
    fn mul(self, factor: f32) -> Self {
        Self(self.0.map(|value| value * factor))
    }
}

/// A block, row by row.
pub type Block = [Lanes; 8];

#[inline]
pub fn transposed(block: &Block) -> Block {
    std::array::from_fn(|row| Lanes(std::array::from_fn(|column| block[column].0[row])))
}

/// What the transforms of Arai, Agui and Nakajima (1988) multiply each frequency of one direction with, compared with
/// T.81: `cos(kπ/16) × √2`, and 1 for the mean. Both directions together also multiply with 8. Quantization takes care
/// of it.
pub const SCALES: [f32; 8] = [
    1.0,
    1.387_039_8,
    1.306_563,
    1.175_875_6,
    1.0,
    0.785_694_96,
    0.541_196_1,
    0.275_899_38,
];
