//! How much of each block a size needs.

use crate::zigzag::ZIGZAG;

/// A block of 8 × 8 samples becomes one of `N` × `N`.
///
/// The block is made from its `N` × `N` lowest frequencies alone: that is what an ideal low-pass filter leaves of it.
/// An average of samples would blur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale(u8);

impl Scale {
    pub const FULL: Self = Self(8);

    /// The smallest scale at which `size` samples become `wanted` or more. It is [`Scale::FULL`] at most.
    #[must_use]
    pub fn for_size(size: usize, wanted: usize) -> Self {
        let eighths = (wanted * 8).div_ceil(size.max(1)).clamp(1, 8);
        Self(u8::try_from(eighths).unwrap_or(8))
    }

    /// The samples of a block in each direction, from 1 to 8.
    #[must_use]
    pub fn samples(self) -> usize {
        usize::from(self.0)
    }

    /// The coefficients up to the last one that is needed, in the order of the file.
    #[must_use]
    pub fn coefficients(self) -> usize {
        let is_needed = |&place: &u8| place / 8 < self.0 && place % 8 < self.0;
        ZIGZAG.iter().rposition(is_needed).map_or(1, |last| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_as_small_as_the_size_allows() {
        for (size, wanted, samples) in [
            (4000, 1024, 3),
            (4000, 1000, 2),
            (4000, 500, 1),
            (4000, 1, 1),
            (1024, 1024, 8),
            (100, 1024, 8),
            (1025, 1024, 8),
            (0, 1, 8),
        ] {
            assert_eq!(Scale::for_size(size, wanted).samples(), samples, "{size} to {wanted}");
        }
    }

    #[test]
    fn coefficients_reach_to_the_corner_of_the_block() {
        let coefficients: Vec<usize> = (1..=8).map(|samples| Scale(samples).coefficients()).collect();
        assert_eq!(coefficients, [1, 5, 13, 25, 40, 52, 60, 64]);
    }
}
