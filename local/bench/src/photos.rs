//! The images, as files below `target/`. They are made once, with the same bytes every time.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::ProgressBar;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

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

/// The folder with `count` images of `size` bytes. Each is a photo with noise appended, like the data of a larger
/// picture.
pub fn of_size(size: usize, count: usize) -> anyhow::Result<PathBuf> {
    made(&format!("{count}-of-{size}"), count, |folder, progress| {
        dataset::on_all_cores(count, |index| {
            let mut photo = dataset::photo(index)?;
            let picture = photo.len();
            photo.resize(size.max(picture), 0);
            ChaCha8Rng::seed_from_u64(index as u64).fill_bytes(&mut photo[picture..]);
            std::fs::write(folder.join(dataset::file_name(index)), photo)?;
            progress.inc(1);
            Ok(())
        })
        .map(|_| ())
    })
}

/// The folder with `count` photos of 12 megapixels.
pub fn of_12_megapixels(count: usize) -> anyhow::Result<PathBuf> {
    made(&format!("{count}-of-12-megapixels"), count, |folder, progress| {
        dataset::on_all_cores(count, |index| {
            std::fs::write(folder.join(dataset::file_name(index)), dataset::large_photo(index)?)?;
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
