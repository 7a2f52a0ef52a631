use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use picture::{Limits, Orientation, Plan, Rendition, Target};

use crate::photos;
use local::s3;
use local::workspace::target;

/// One kind of work.
pub struct Kind {
    pub name: &'static str,
    pub files: Vec<Source>,
    /// The longer side of the pictures, in pixels.
    pub edge: u32,
    /// As clap, sharp and Pillow name it.
    pub format: &'static str,
    /// Sharp's CPU time divided by ours.
    pub goal: f64,
}

#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    pub size: u64,
    /// A JPEG with the same picture, from which the best result is made.
    pub jpeg: PathBuf,
}

/// More than any side has: the picture keeps its size.
const SAME_SIZE: u32 = 65_535;

/// PNG files of many megapixels take seconds to make.
const MAX_PNGS: usize = 4;

/// Made photos have 12 megapixels.
const MADE: usize = 8;

pub fn all(photos: Option<&Path>, max_files: usize) -> anyhow::Result<Vec<Kind>> {
    let folder = match photos {
        Some(folder) => folder.to_owned(),
        None => photos::of_a_camera(4_000, 3_000, MADE)?,
    };
    let all = jpegs(&folder, max_files)?;
    ensure!(!all.is_empty(), "{} has no JPEG photos", folder.display());
    let is_progressive = |source: &Source| {
        let file = std::fs::read(&source.path)?;
        let header = jpeg::Header::read(&file).with_context(|| source.path.display().to_string())?;
        anyhow::Ok(header.process == jpeg::Process::Progressive)
    };
    let (mut progressive, mut baseline) = (Vec::new(), Vec::new());
    for photo in all {
        if is_progressive(&photo)? {
            progressive.push(photo);
        } else {
            baseline.push(photo);
        }
    }
    let pngs = baseline.iter().take(MAX_PNGS).map(png).collect::<Result<_, _>>()?;
    let kind = |name, files, edge, format, goal| Kind {
        name,
        files,
        edge,
        format,
        goal,
    };
    let small = jpegs(&photos::of_the_guide()?, max_files)?;
    let mut kinds = vec![
        kind("JPEG to 1024", baseline.clone(), 1024, "jpeg", 1.8),
        kind("progressive JPEG to 1024", progressive, 1024, "jpeg", 1.0),
        kind("JPEG of 18 KB, same size", small, SAME_SIZE, "jpeg", 1.7),
        kind("JPEG to WebP, 1024", baseline, 1024, "webp", 1.3),
        kind("PNG to JPEG, 1024", pngs, 1024, "jpeg", 1.1),
    ];
    kinds.retain(|kind| !kind.files.is_empty());
    Ok(kinds)
}

fn jpegs(folder: &Path, most: usize) -> anyhow::Result<Vec<Source>> {
    let files = s3::files(folder)?.into_iter().map(|(_, path)| path);
    let is_jpeg = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("jpg"))
    };
    let source = |path: PathBuf| source(path.clone(), path);
    files.filter(is_jpeg).take(most).map(source).collect()
}

fn source(path: PathBuf, jpeg: PathBuf) -> anyhow::Result<Source> {
    let size = std::fs::metadata(&path)?.len();
    Ok(Source { path, size, jpeg })
}

/// Makes a PNG of a photo, once.
fn png(photo: &Source) -> anyhow::Result<Source> {
    let name = photo.path.file_name().context("a photo has a name")?;
    let path = target().join("bench/codecs/png").join(name).with_extension("png");
    if !path.exists() {
        std::fs::create_dir_all(path.parent().context("the file is in a folder")?)?;
        let file = std::fs::read(&photo.path)?;
        std::fs::write(&path, make(&file, SAME_SIZE, Target::Png)?)?;
    }
    source(path, photo.jpeg.clone())
}

/// Makes one picture of a file with our crate.
pub fn make(file: &[u8], max_edge: u32, target: Target) -> anyhow::Result<Vec<u8>> {
    const LIMITS: Limits = Limits {
        max_pixels: u64::MAX,
        max_memory: u64::MAX,
    };
    let renditions = [Rendition {
        max_edge,
        target,
        quality: 80,
    }];
    let plan = Plan::new(file, &renditions, Orientation::default(), LIMITS)?;
    let (outputs, _) = plan.run()?;
    let output = outputs.into_iter().next().context("there is one rendition")?;
    Ok(output.file)
}
