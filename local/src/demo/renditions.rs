//! Checks the renditions of a job, and keeps one of them beside its source.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use picture::{Limits, Orientation, Plan, Target};
use shared::object::Key;
use shared::transform::{Format, Rendition};

use super::finished_job::FinishedJob;
use crate::workspace;

/// Pictures that were compared with their sources.
#[derive(Debug, Default)]
pub struct Made {
    pub pictures: usize,
    pub source_pixels: u64,
    pub source_bytes: u64,
    pub output_bytes: u64,
    /// The source with the most pixels, and its rendition.
    largest: Option<(u64, Key, Bytes, Bytes)>,
}

/// A rendition as JPEG, whose longer side has at most `max_edge` pixels.
pub fn rendition(max_edge: u32) -> Rendition {
    Rendition {
        name: None,
        max_edge,
        format: Format::Jpeg,
        quality: 80,
    }
}

impl Made {
    /// Checks that the rendition of an image is there, and that its size is right to the pixel.
    pub async fn check(&mut self, job: FinishedJob<'_>, rendition: &Rendition, key: &Key) -> anyhow::Result<()> {
        let target = |relative: &str| job.destination.rendition(rendition, relative);
        let (original, made) = job.read_both(key, target).await?;
        let (width, height) = size(&original).with_context(|| format!("{key:?} has a rendition, but no size"))?;
        let found = size(&made).with_context(|| format!("the rendition of {key:?} is not a picture"))?;
        let longer = width.max(height).min(rendition.max_edge as usize);
        ensure!(
            found.0.max(found.1) == longer,
            "the rendition of {key:?} has {} × {} pixels, but its longer side should have {longer}",
            found.0,
            found.1
        );
        let pixels = (width * height) as u64;
        self.pictures += 1;
        self.source_pixels += pixels;
        self.source_bytes += original.len() as u64;
        self.output_bytes += made.len() as u64;
        if self.largest.as_ref().is_none_or(|(most, ..)| pixels > *most) {
            self.largest = Some((pixels, key.clone(), original, made));
        }
        Ok(())
    }

    /// Writes the largest source and its rendition to disk. Returns where they are.
    pub fn keep_largest(&self) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
        let Some((_, key, original, made)) = &self.largest else {
            return Ok(None);
        };
        let folder = workspace::target().join("demo");
        std::fs::create_dir_all(&folder)?;
        let ending = Path::new(key.as_str())
            .extension()
            .map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
        let (before, after) = (folder.join(format!("before{ending}")), folder.join("after.jpeg"));
        std::fs::write(&before, original)?;
        std::fs::write(&after, made)?;
        Ok(Some((before, after)))
    }
}

/// The size of a picture as stored, in pixels.
fn size(file: &[u8]) -> anyhow::Result<(usize, usize)> {
    let limits = Limits {
        max_pixels: u64::MAX,
        max_memory: u64::MAX,
    };
    let renditions = [picture::Rendition {
        max_edge: 1,
        target: Target::Jpeg,
        quality: 80,
    }];
    Ok(Plan::new(file, &renditions, Orientation::default(), limits)?.size())
}
