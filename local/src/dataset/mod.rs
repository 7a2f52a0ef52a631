//! Sample photos: JPEG files with the EXIF of several makers. They are drawn from a seed, so every run on every machine
//! makes the same bytes. 8,154 of them have 152 MB, like the images of the guide "Processing Millions of Images".

mod camera;
mod picture;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use anyhow::Context as _;
use indicatif::ProgressBar;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The number of the guide's images.
pub const COUNT: usize = 8_154;

/// Changing it changes every photo.
const SEED: u64 = 0x0005_3eed;

/// The `index`-th photo.
pub fn photo(index: usize) -> anyhow::Result<Vec<u8>> {
    let mut rng = random(index);
    let picture = picture::small(&mut rng);
    let quality = rng.random_range(70..=90);
    // The encoder's own choice.
    let sampling = if quality < 90 {
        SamplingFactor::F_2_2
    } else {
        SamplingFactor::F_1_1
    };
    encoded(rng, index, &picture, sampling, quality)
}

/// The `index`-th photo of a size, as a camera writes it: about 0.35 bytes per pixel, and half as many samples of
/// colour in both directions.
pub fn camera_photo(index: usize, width: u16, height: u16) -> anyhow::Result<Vec<u8>> {
    let mut rng = random(index);
    let picture = picture::large(&mut rng, width.into(), height.into());
    encoded(rng, index, &picture, SamplingFactor::F_2_2, 93)
}

fn random(index: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(index as u64);
    rng
}

fn encoded(
    mut rng: ChaCha8Rng,
    index: usize,
    picture: &picture::Picture,
    sampling: SamplingFactor,
    quality: u8,
) -> anyhow::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(sampling);
    if let Some(exif) = camera::exif(&mut rng, index, picture)? {
        encoder.add_app_segment(1, exif)?;
    }
    encoder.encode(&picture.rgb, picture.width, picture.height, ColorType::Rgb)?;
    Ok(file)
}

/// The file name of the `index`-th photo.
#[must_use]
pub fn file_name(index: usize) -> String {
    format!("IMG_{index:05}.jpg")
}

/// The key of the `index`-th photo, without a prefix. One key in 25 is awkward, and the others are plain.
#[must_use]
pub fn key(index: usize) -> String {
    const AWKWARD: [&str; 10] = [
        "with space/",
        "1+1=2/",
        "100% real/",
        "%2B is not a plus/",
        "été à la plage/",
        "写真/",
        "📷 camera/",
        "double//slash/",
        "../up/",
        "bell\u{7}/",
    ];
    let name = file_name(index);
    if index % 25 == 24 {
        format!("awkward/{}{name}", AWKWARD[index / 25 % AWKWARD.len()])
    } else {
        format!("{:02}/{name}", index % 12 + 1)
    }
}

/// Writes `count` photos into a folder, on all cores. Returns their total size in bytes.
pub fn write(out: &Path, count: usize, progress: &ProgressBar) -> anyhow::Result<u64> {
    std::fs::create_dir_all(out).with_context(|| format!("{} cannot be created", out.display()))?;
    let parts = on_all_cores(count, |index| {
        let photo = photo(index)?;
        let path = out.join(file_name(index));
        std::fs::write(&path, &photo).with_context(|| format!("{} cannot be written", path.display()))?;
        progress.inc(1);
        Ok(photo.len() as u64)
    })?;
    Ok(parts.iter().sum())
}

/// Calls `work` for every index below `count`, on all cores. Returns the results in order.
pub fn on_all_cores<T: Send>(count: usize, work: impl Fn(usize) -> anyhow::Result<T> + Sync) -> anyhow::Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let worker = || -> anyhow::Result<Vec<(usize, T)>> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Relaxed);
            if index >= count {
                return Ok(done);
            }
            done.push((index, work(index)?));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_unstable_by_key(|&(index, _)| index);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_has_the_same_bytes_every_time() {
        assert_eq!(photo(7).unwrap(), photo(7).unwrap());
        assert_ne!(photo(7).unwrap(), photo(8).unwrap());
    }

    #[test]
    fn keys_are_unique_and_some_are_awkward() {
        let keys: std::collections::BTreeSet<String> = (0..COUNT).map(key).collect();
        assert_eq!(keys.len(), COUNT);
        assert_eq!(
            keys.iter().filter(|key| key.starts_with("awkward/")).count(),
            COUNT / 25
        );
    }

    #[test]
    fn photos_can_be_read_without_warnings() {
        let read: Vec<_> = (0..60)
            .map(|index| shared::metadata::read_whole(photo(index).unwrap().into()))
            .collect();
        assert!(read.iter().all(|metadata| metadata.warnings.is_empty()), "{read:?}");
        let exif: Vec<_> = read.iter().filter_map(|metadata| metadata.exif.as_ref()).collect();
        assert!((50..60).contains(&exif.len()), "{}", exif.len());
        let makes: std::collections::BTreeSet<_> = exif.iter().map(|exif| exif.make.clone()).collect();
        assert!(makes.len() >= 5, "{makes:?}");
        assert!(
            exif.iter()
                .all(|exif| exif.taken_at.is_some() && exif.f_number.is_some())
        );
        let with_gps = exif.iter().filter(|exif| exif.gps.is_some()).count();
        assert!((5..55).contains(&with_gps), "{with_gps}");
    }
}
