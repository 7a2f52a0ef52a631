//! What was measured.

use std::ops::Mul;

use serde::{Deserialize, Serialize};
use shared::protocol::usage::Requests;

/// One run of a program over images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub images: u64,
    /// Of these each output is there and right.
    pub right: u64,
    pub seconds: f64,
    /// Of the program, all its processes.
    pub cpu_seconds: f64,
    pub server_cpu_seconds: f64,
    /// All processes together, each at its most.
    pub peak_bytes: u64,
    /// As the server counts them.
    pub requests: Requests,
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// Of one image on average, in milliseconds.
    pub stages: Stages,
}

/// What an image, or all of them together, spent where.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Stages {
    pub download: f64,
    pub exif: f64,
    pub upload: f64,
}

/// The runs of one program with one setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub setting: String,
    /// Images in flight, in all processes.
    pub in_flight: usize,
    pub runs: Vec<Run>,
}

impl Mul<f64> for Stages {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            download: self.download * factor,
            exif: self.exif * factor,
            upload: self.upload * factor,
        }
    }
}

impl Run {
    pub fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds
    }

    pub fn cpu_ms(&self) -> f64 {
        self.cpu_seconds * 1000.0 / self.images as f64
    }

    pub fn server_cpu_ms(&self) -> f64 {
        self.server_cpu_seconds * 1000.0 / self.images as f64
    }
}

impl Row {
    pub fn label(&self) -> String {
        format!("{}: {}", self.name, self.setting)
    }

    pub fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        spread(self.runs.iter().map(figure)).median
    }

    pub fn images_per_second(&self) -> f64 {
        self.median(Run::images_per_second)
    }

    pub fn cpu_ms(&self) -> f64 {
        self.median(Run::cpu_ms)
    }

    /// Whether each output of each run was right.
    pub fn is_right(&self) -> bool {
        self.runs.iter().all(|run| run.right == run.images)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

/// Of figures there is at least one.
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
    fn the_median_of_an_even_number_lies_between_two() {
        let of = |figures: &[f64]| spread(figures.iter().copied()).median;
        assert_eq!(of(&[3.0]).to_bits(), 3.0_f64.to_bits());
        assert_eq!(of(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
    }
}
