#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

/// The lowest, middle and highest figure. There must be at least one.
pub fn spread(figures: impl Iterator<Item = f64>) -> Spread {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    Spread {
        least: sorted[0],
        median: f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]),
        most: sorted[last],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        let of = |figures: &[f64]| spread(figures.iter().copied()).median;
        assert_eq!(of(&[3.0]).to_bits(), 3.0_f64.to_bits());
        assert_eq!(of(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
    }
}
