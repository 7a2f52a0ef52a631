//! Real images, from the folders in `EXIF_CORPUS` and `EXIF_CORPUS_MORE`.

use std::io::Write as _;

use bytes::Bytes;
use shared::metadata::read_whole;

use crate::damage::read_bounded;
use crate::ranges::by_ranges;

/// The files of the corpora. Without them there are none, and a message says so.
fn files() -> Vec<(String, Bytes)> {
    ["EXIF_CORPUS", "EXIF_CORPUS_MORE"]
        .into_iter()
        .flat_map(files_of)
        .collect()
}

fn files_of(variable: &str) -> Vec<(String, Bytes)> {
    let Some(corpus) = std::env::var_os(variable) else {
        // Not `eprintln`: its output is not shown when a test passes.
        let message = format!("not run: {variable} must name a folder with real images\n");
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return Vec::new();
    };
    let folder = std::path::Path::new(&corpus).join("images");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            (path.display().to_string(), std::fs::read(path).unwrap().into())
        })
        .collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

#[test]
fn ranged_reads_of_real_images_equal_whole_reads() {
    for (name, file) in files() {
        let whole = read_whole(file.clone());
        for front in [1, 100, 4096, 65_536, 131_072] {
            assert_eq!(by_ranges(&file, front).0, whole, "{name}, first read of {front}");
        }
    }
}

#[test]
fn every_cut_of_real_images_is_read() {
    const FRONT: usize = 512;
    for (_, file) in files() {
        // Large files are cut less often behind their front, because the structures are in the front.
        let cuts = (0..file.len().min(FRONT)).chain((FRONT..file.len()).step_by(file.len() / 50 + 1));
        for end in cuts {
            read_bounded(&file[..end]);
        }
    }
}
