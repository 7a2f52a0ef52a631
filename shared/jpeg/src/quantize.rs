//! Quantization (T.81, A.3.4) for a quality from 1 to 100.

use crate::lanes::{Block, SCALES};
use crate::zigzag::ZIGZAG;

/// The example tables of T.81, tables K.1 and K.2, row by row. They are what most encoders use.
#[rustfmt::skip]
const LUMA: [u16; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];
#[rustfmt::skip]
const CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// Adding this to a number below 2²² leaves its nearest integer in the lowest bits.
const TO_INTEGER: f32 = 12_582_912.0;

/// How much each value is moved towards zero before it is rounded. A value that is rounded up costs bytes. If it lies just
/// above a half, it improves the picture by little.
const TOWARDS_ZERO: f32 = 0.02;

/// A quantization table.
#[derive(Clone, Debug)]
pub struct Quantizer {
    /// In the order of the file, for its DQT segment.
    pub steps: [u8; 64],
    /// What each value of a transformed block is multiplied with. Transposed, as the block is.
    factors: [[f32; 8]; 8],
}

impl Quantizer {
    pub fn luma(quality: u8) -> Self {
        Self::new(&LUMA, quality)
    }

    pub fn chroma(quality: u8) -> Self {
        Self::new(&CHROMA, quality)
    }

    /// Scales a table as libjpeg does, so that a quality means here what it means everywhere.
    fn new(table: &[u16; 64], quality: u8) -> Self {
        let quality = u16::from(quality.clamp(1, 100));
        let percent = if quality < 50 {
            5000 / quality
        } else {
            200 - 2 * quality
        };
        let step = |value: u16| ((u32::from(value) * u32::from(percent) + 50) / 100).clamp(1, 255) as u8;
        let factor = |frequency: usize, lane: usize| {
            let step = step(table[lane * 8 + frequency]);
            1.0 / (f32::from(step) * SCALES[frequency] * SCALES[lane] * 8.0)
        };
        Self {
            steps: ZIGZAG.map(|place| step(table[usize::from(place)])),
            factors: std::array::from_fn(|frequency| std::array::from_fn(|lane| factor(frequency, lane))),
        }
    }

    /// The quantized coefficients of a transformed block, in the order of the file.
    #[inline]
    pub fn quantize(&self, block: &Block) -> [i16; 64] {
        let mut rounded = [0_i16; 64];
        for (row, (values, factors)) in block.iter().zip(&self.factors).enumerate() {
            for lane in 0..8 {
                let value = values.0[lane] * factors[lane];
                let bits = (value - TOWARDS_ZERO.copysign(value) + TO_INTEGER).to_bits();
                rounded[row * 8 + lane] = (bits as u16).cast_signed();
            }
        }
        TRANSPOSED_ZIGZAG.map(|place| rounded[usize::from(place & 63)])
    }
}

const TRANSPOSED_ZIGZAG: [u8; 64] = {
    let mut places = ZIGZAG;
    let mut index = 0;
    while index < 64 {
        places[index] = places[index] % 8 * 8 + places[index] / 8;
        index += 1;
    }
    places
};
