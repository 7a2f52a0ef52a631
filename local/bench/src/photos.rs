//! The images, as files below `target/`. They are made once, with the same bytes every time.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::ProgressBar;

use local::terminal::bar;
use local::{dataset, workspace};

/// The buckets of the experiment.
pub const SOURCE: &str = "photos";
pub const DESTINATION: &str = "photos-out";

/// The folder with the guide's images.
pub fn of_the_guide() -> anyhow::Result<PathBuf> {
    made("guide", dataset::COUNT, |folder, progress| {
        dataset::write(folder, dataset::COUNT, progress).map(|_| ())
    })
}

/// The folder with `count` photos of a size in pixels, as a camera writes them.
pub fn of_a_camera(width: u16, height: u16, count: usize) -> anyhow::Result<PathBuf> {
    made(&format!("{count}-of-{width}x{height}"), count, |folder, progress| {
        dataset::on_all_cores(count, |index| {
            let photo = dataset::camera_photo(index, width, height)?;
            std::fs::write(folder.join(dataset::file_name(index)), photo)?;
            progress.inc(1);
            Ok(())
        })
        .map(|_| ())
    })
}

/// Makes a folder, unless it exists. It gets its final name last, so a folder with this name is complete.
fn made(
    name: &str,
    count: usize,
    make: impl FnOnce(&Path, &ProgressBar) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let photos = workspace::target().join("bench/photos");
    let folder = photos.join(name);
    if !folder.exists() {
        let unfinished = photos.join(format!("{name}.unfinished"));
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        std::fs::create_dir_all(&unfinished).with_context(|| format!("{} cannot be created", unfinished.display()))?;
        let progress = bar(count, "photos");
        make(&unfinished, &progress)?;
        progress.finish_and_clear();
        std::fs::rename(&unfinished, &folder)?;
    }
    Ok(folder)
}
