//! EXIF alone, in memory, on one thread. It compares our code with other libraries; each decodes all fields.

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;

use bytes::Bytes;
use nom_exif::{MediaParser, MediaSource};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use shared::metadata::read_whole;
use shared::metadata::record::{Origin, Record};

use crate::python;
use crate::spread::spread;

/// The result of one library. The Python peer prints the same fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parsed {
    pub library: String,
    #[serde(default)]
    pub version: String,
    pub files: usize,
    /// The CPU time of each pass over all files.
    pub seconds: Vec<f64>,
}

impl Parsed {
    /// The library and its version.
    pub fn label(&self) -> String {
        format!("{} {}", self.library, self.version).trim().to_owned()
    }

    /// The median CPU time per file, in microseconds.
    pub fn micros(&self) -> f64 {
        spread(self.seconds.iter().copied()).median * 1e6 / self.files as f64
    }
}

pub async fn measure(folder: &Path, quick: bool) -> anyhow::Result<Vec<Parsed>> {
    let (files, passes) = if quick { (1_000, 3) } else { (8_154, 5) };
    let photos = photos(folder, files)?;
    let mut parser = MediaParser::new();
    let mut all = vec![
        pass("s3-exif, whole record", &photos, passes, ours),
        pass("kamadak-exif", &photos, passes, kamadak_exif),
        pass("nom-exif", &photos, passes, |photo| nom_exif(&mut parser, photo)),
    ];
    let mut command = python::program("parsing.py");
    command
        .arg(folder)
        .args(["--files", &files.to_string(), "--passes", &passes.to_string()]);
    for line in python::printed(&mut command).await?.lines() {
        all.push(serde_json::from_str(line)?);
    }
    Ok(all)
}

fn photos(folder: &Path, count: usize) -> anyhow::Result<Vec<Bytes>> {
    let files = local::s3::files(folder)?.into_iter().take(count);
    files.map(|(_, path)| Ok(std::fs::read(path)?.into())).collect()
}

fn pass(library: &str, photos: &[Bytes], passes: usize, mut read: impl FnMut(&Bytes)) -> Parsed {
    let mut pass = || {
        let start = thread_time();
        photos.iter().for_each(&mut read);
        thread_time() - start
    };
    Parsed {
        library: library.to_owned(),
        version: String::new(),
        files: photos.len(),
        seconds: (0..passes).map(|_| pass()).collect(),
    }
}

fn thread_time() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn ours(photo: &Bytes) {
    black_box(Record::new(Origin::default(), read_whole(photo.clone())));
}

/// The library that also reads the tables for us. Here it finds the EXIF block itself.
fn kamadak_exif(photo: &Bytes) {
    let exif = exif::Reader::new()
        .continue_on_error(true)
        .read_from_container(&mut Cursor::new(photo))
        .or_else(|error| error.distill_partial_result(|_| {}));
    if let Ok(exif) = exif {
        for field in exif.fields() {
            black_box(field);
        }
    }
}

/// Uses the library's in-memory entry point. The parser is reused between files, as its documentation recommends.
fn nom_exif(parser: &mut MediaParser, photo: &Bytes) {
    let Ok(source) = MediaSource::from_memory(photo.clone()) else {
        return;
    };
    if let Ok(entries) = parser.parse_exif(source) {
        for entry in entries {
            black_box(entry);
        }
    }
}
