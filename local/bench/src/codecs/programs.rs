use std::path::Path;
use std::process::Stdio;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::kinds::{Kind, Source};
use crate::spread::spread;
use crate::{node, python};
use local::process::on_one_core;

pub struct Program {
    pub name: &'static str,
    how: How,
}

enum How {
    Ours,
    Sharp { threads: u8 },
    Pillow,
}

/// Each has one core, except sharp with two threads.
pub const PROGRAMS: [Program; 4] = [
    Program {
        name: "s3-exif",
        how: How::Ours,
    },
    Program {
        name: "sharp, 1 thread",
        how: How::Sharp { threads: 1 },
    },
    Program {
        name: "sharp, 2 threads",
        how: How::Sharp { threads: 2 },
    },
    Program {
        name: "Pillow",
        how: How::Pillow,
    },
];

/// What a program prints.
#[derive(Debug, Serialize, Deserialize)]
pub struct Result {
    pub files: Vec<Picture>,
    pub peak_bytes: u64,
}

/// One picture that a program made, with the times of each run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Picture {
    pub name: String,
    pub bytes: u64,
    /// Of all threads.
    pub cpu_ms: Vec<f64>,
    pub ms: Vec<f64>,
}

impl Program {
    pub fn is_ours(&self) -> bool {
        matches!(self.how, How::Ours)
    }

    /// Whether the others are compared with this program.
    pub fn is_reference(&self) -> bool {
        matches!(self.how, How::Sharp { threads: 1 })
    }

    /// Makes the pictures in a process of its own, and writes those of the last run into the folder `out`.
    pub async fn run(&self, kind: &Kind, files: &[Source], runs: u16, out: &Path) -> anyhow::Result<Result> {
        let mut command = match self.how {
            How::Ours => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["bench", "pictures"]);
                command
            }
            How::Sharp { .. } => node::program("pictures.mjs"),
            How::Pillow => python::program("pictures.py"),
        };
        command
            .args([&runs.to_string(), &kind.edge.to_string(), kind.format])
            .arg(out);
        if let How::Sharp { threads } = self.how {
            command.arg(threads.to_string());
        }
        command
            .args(files.iter().map(|file| &file.path))
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let child = match self.how {
            How::Sharp { threads: 2.. } => command.spawn(),
            _ => on_one_core(|| command.spawn())?,
        };
        let output = child?.wait_with_output().await?;
        ensure!(output.status.success(), "{} failed: {}", self.name, output.status);
        let made: Result = serde_json::from_slice(&output.stdout)?;
        let names = || made.files.iter().map(|picture| picture.name.as_str());
        let is_all = files
            .iter()
            .map(|file| file.path.file_name())
            .eq(names().map(|name| Some(name.as_ref())));
        ensure!(
            is_all,
            "{} made other pictures: {:?}",
            self.name,
            names().collect::<Vec<_>>()
        );
        Ok(made)
    }
}

impl Picture {
    /// The median of the runs.
    pub fn cpu_ms(&self) -> f64 {
        spread(self.cpu_ms.iter().copied()).median
    }

    /// The median of the runs.
    pub fn ms(&self) -> f64 {
        spread(self.ms.iter().copied()).median
    }
}
