//! The results of runs.

use std::ops::Mul;

use serde::{Deserialize, Serialize};
use shared::protocol::usage::Requests;

use crate::spread::spread;
use local::connections::Connections;

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
    pub connections: Connections,
    /// Means per image, in milliseconds.
    pub stages: Stages,
}

/// The time of each stage, of one image or summed over all images.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Stages {
    pub download: f64,
    pub exif: f64,
    /// Pictures.
    #[serde(default)]
    pub transform: f64,
    pub upload: f64,
}

/// The runs of one program with one setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub setting: String,
    /// The number of images in flight in all processes. At the start, if the program adapts it.
    pub in_flight: usize,
    /// The memory of the function. Of each, if there are several.
    pub function_mb: u32,
    pub over_tls: bool,
    pub runs: Vec<Run>,
}

impl Mul<f64> for Stages {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            download: self.download * factor,
            exif: self.exif * factor,
            transform: self.transform * factor,
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
