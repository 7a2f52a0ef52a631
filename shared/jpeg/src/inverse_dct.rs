//! The inverse cosine transform (T.81, A.3.3) of a block's lowest frequencies.

use std::f64::consts::PI;

use crate::lanes::{Block, Lanes, SCALES, transposed};
use crate::zigzag::ZIGZAG;

/// How many places a block has: 64, and others so that any 8 bits are a place.
pub const PLACES: usize = 256;

/// The place of coefficients that are not needed.
pub const LEFT_OUT: u8 = 255;

/// Adding this to a number below 2²² leaves its nearest integer in the lowest bits.
const TO_INTEGER: f32 = 12_582_912.0;

/// Rounds a sample, and clamps it to 0 to 255.
#[inline]
fn sample(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + TO_INTEGER).to_bits() as u8
}

/// Makes `N` × `N` samples from as many coefficients, where `N` is 1 to 8.
///
/// The transform has as many points as samples. So a picture is scaled without a full block ever being computed.
#[derive(Clone, Debug)]
pub struct InverseDct {
    samples: usize,
    /// For each sample the factor of each frequency. Only `samples` × `samples` are not zero.
    by_sample: [[f32; 8]; 8],
    /// For each frequency the factor of each sample.
    by_frequency: [[f32; 8]; 8],
}

impl InverseDct {
    /// A transform to `samples` × `samples` samples.
    pub fn new(samples: usize) -> Self {
        let n = samples as f64;
        let mut by_sample = [[0.0; 8]; 8];
        let mut by_frequency = [[0.0; 8]; 8];
        for sample in 0..samples {
            for frequency in 0..samples {
                let norm = if frequency == 0 { 1.0 / n } else { 2.0 / n };
                let angle = (2 * sample + 1) as f64 * frequency as f64 * PI / (2.0 * n);
                // The mean of a block does not depend on its size.
                let factor = (norm.sqrt() * angle.cos() * (n / 8.0).sqrt()) as f32;
                by_sample[sample][frequency] = factor;
                by_frequency[frequency][sample] = factor;
            }
        }
        Self {
            samples,
            by_sample,
            by_frequency,
        }
    }

    /// What each coefficient is multiplied with, and where it goes, in the order of the file.
    pub fn places(&self, quantization: &[u16; 64]) -> [(f32, u8); 64] {
        ZIGZAG.map(|place| {
            let step = f32::from(quantization[usize::from(place)]);
            let (row, column) = (usize::from(place / 8), usize::from(place % 8));
            if self.samples == 8 {
                // Transposed, for the first of the two passes.
                (step * SCALES[row] * SCALES[column] / 8.0, (column * 8 + row) as u8)
            } else if row < self.samples && column < self.samples {
                (step, place)
            } else {
                (0.0, LEFT_OUT)
            }
        })
    }

    /// Writes the samples of a block into rows that are `stride` apart.
    #[inline]
    pub fn write(&self, coefficients: &[f32; PLACES], output: &mut [u8], stride: usize) {
        match self.samples {
            1 => self.write_n::<1, 4>(coefficients, output, stride),
            2 => self.write_n::<2, 4>(coefficients, output, stride),
            3 => self.write_n::<3, 4>(coefficients, output, stride),
            4 => self.write_n::<4, 4>(coefficients, output, stride),
            5 => self.write_n::<5, 8>(coefficients, output, stride),
            6 => self.write_n::<6, 8>(coefficients, output, stride),
            7 => self.write_n::<7, 8>(coefficients, output, stride),
            _ => write_full(coefficients, output, stride),
        }
    }

    /// Writes the samples of a block that has nothing but its first coefficient.
    #[inline]
    pub fn write_flat(&self, first: f32, output: &mut [u8], stride: usize) {
        let mean = if self.samples == 8 { first } else { first / 8.0 };
        let value = sample(mean + 128.0);
        for row in 0..self.samples {
            output[row * stride..][..self.samples].fill(value);
        }
    }

    #[inline]
    fn write_n<const N: usize, const LANES: usize>(&self, x: &[f32; PLACES], output: &mut [u8], stride: usize) {
        // Nothing but additions and multiplications of whole rows, which the compiler turns into vector instructions.
        let mut columns = [[0.0; LANES]; N];
        for (sums, factors) in columns.iter_mut().zip(&self.by_sample) {
            for (factor, row) in factors.iter().zip(x.chunks_exact(8)).take(N) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += factor * value;
                }
            }
        }
        for (number, values) in columns.iter().enumerate() {
            let mut row = [128.0; LANES];
            for (value, factors) in values.iter().zip(&self.by_frequency).take(N) {
                for (sum, factor) in row.iter_mut().zip(factors) {
                    *sum += value * factor;
                }
            }
            output[number * stride..][..N].copy_from_slice(&row.map(sample)[..N]);
        }
    }
}

/// Writes all 64 samples of a block.
#[inline]
fn write_full(coefficients: &[f32; PLACES], output: &mut [u8], stride: usize) {
    let (rows, _) = coefficients.as_chunks::<8>();
    let mut block: Block = std::array::from_fn(|row| Lanes(rows[row]));
    columns(&mut block);
    let mut block = transposed(&block);
    columns(&mut block);
    for (number, row) in block.iter().enumerate() {
        let samples = row.0.map(|value| sample(value + 128.0));
        output[number * stride..][..8].copy_from_slice(&samples);
    }
}

/// Transforms all columns at the same time, by the method of Arai, Agui and Nakajima.
#[inline]
fn columns(rows: &mut Block) {
    use std::f32::consts::SQRT_2;
    let [r0, r1, r2, r3, r4, r5, r6, r7] = *rows;
    // The even frequencies.
    let (sum04, difference04) = (r0 + r4, r0 - r4);
    let sum26 = r2 + r6;
    let difference26 = (r2 - r6) * SQRT_2 - sum26;
    let (even0, even3) = (sum04 + sum26, sum04 - sum26);
    let (even1, even2) = (difference04 + difference26, difference04 - difference26);

    // The odd ones. The factors are 2cos(2π/16), 2(cos(2π/16) - cos(6π/16)) and 2(cos(2π/16) + cos(6π/16)).
    let (sum35, difference53) = (r5 + r3, r5 - r3);
    let (sum17, difference17) = (r1 + r7, r1 - r7);
    let odd0 = sum17 + sum35;
    let common = (difference53 + difference17) * 1.847_759_1;
    let odd1 = common - difference53 * 2.613_126 - odd0;
    let odd2 = (sum17 - sum35) * SQRT_2 - odd1;
    let odd3 = common - difference17 * 1.082_392_2 - odd2;
    *rows = [
        even0 + odd0,
        even1 + odd1,
        even2 + odd2,
        even3 + odd3,
        even3 - odd3,
        even2 - odd2,
        even1 - odd1,
        even0 - odd0,
    ];
}
