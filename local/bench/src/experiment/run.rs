//! The results of runs.

use std::ops::Mul;

use serde::{Deserialize, Serialize};
use shared::protocol::usage::Requests;

/// One run of a program over images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub images: u64,
    /// The number of images with correct outputs.
    pub right: u64,
    pub seconds: f64,
    /// CPU time of all processes of the program.
    pub cpu_seconds: f64,
    pub server_cpu_seconds: f64,
    /// The sum of the peak memory of all processes.
    pub peak_bytes: u64,
    /// The requests that the server counted.
    pub requests: Requests,
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// Means per image, in milliseconds.
    pub stages: Stages,
}

/// The time of each stage, of one image or summed over all images.
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
    /// The number of images in flight in all processes. At the start, if the program adapts it.
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

    /// Whether all outputs of all runs are correct.
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
