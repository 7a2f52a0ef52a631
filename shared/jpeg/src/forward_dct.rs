//! The forward cosine transform (T.81, A.3.3), by the method of Arai, Agui and Nakajima (1988).
//!
//! It has five multiplications for eight samples. Its results are scaled: see [`SCALES`](crate::lanes::SCALES).

use crate::lanes::{Block, transposed};

/// Transforms a block. The result is transposed: its rows are horizontal frequencies.
#[inline]
pub fn forward_dct(block: &mut Block) {
    columns(block);
    *block = transposed(block);
    columns(block);
}

/// Transforms all columns at the same time.
#[inline]
fn columns(rows: &mut Block) {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = *rows;
    let (sum07, difference07) = (r0 + r7, r0 - r7);
    let (sum16, difference16) = (r1 + r6, r1 - r6);
    let (sum25, difference25) = (r2 + r5, r2 - r5);
    let (sum34, difference34) = (r3 + r4, r3 - r4);

    // The even frequencies.
    let (outer_sum, outer_difference) = (sum07 + sum34, sum07 - sum34);
    let (inner_sum, inner_difference) = (sum16 + sum25, sum16 - sum25);
    rows[0] = outer_sum + inner_sum;
    rows[4] = outer_sum - inner_sum;
    let turned = (inner_difference + outer_difference) * std::f32::consts::FRAC_1_SQRT_2;
    rows[2] = outer_difference + turned;
    rows[6] = outer_difference - turned;

    // The odd ones. The factors are cos(6π/16), cos(2π/16) - cos(6π/16) and cos(2π/16) + cos(6π/16).
    let low = difference34 + difference25;
    let middle = (difference25 + difference16) * std::f32::consts::FRAC_1_SQRT_2;
    let high = difference16 + difference07;
    let common = (low - high) * 0.382_683_43;
    let low = low * 0.541_196_1 + common;
    let high = high * 1.306_563 + common;
    let (sum, difference) = (difference07 + middle, difference07 - middle);
    rows[5] = difference + low;
    rows[3] = difference - low;
    rows[1] = sum + high;
    rows[7] = sum - high;
}
