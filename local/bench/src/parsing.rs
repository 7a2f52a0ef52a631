//! Metadata alone, in memory, on one thread. It compares our code with other libraries. Each decodes all that it can read:
//! ours, exifr and ExifTool all metadata, the others EXIF.

use std::fs::File;
use std::hint::black_box;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::ensure;
use bytes::Bytes;
use clap::Args;
use comfy_table::Table;
use indicatif::HumanFloatCount;
use local::workspace::target;
use nom_exif::{MediaParser, MediaSource};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use shared::metadata::read_whole;
use shared::metadata::record::{Origin, Record};
use tokio::process::Command;

use crate::spread::spread;
use crate::table::table;
use crate::{node, photos as sample, python};

#[derive(Args, Debug)]
pub struct Options {
    /// JPEG files, or folders with such files. Without any, the photos of the guide's experiment are read
    pub paths: Vec<PathBuf>,
    /// The most files
    #[arg(long, default_value_t = 1_000)]
    files: usize,
    /// How often each library goes through all files
    #[arg(long, default_value_t = 5)]
    pub passes: usize,
}

/// The result of one library. The peers print the same fields.
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

pub async fn run(mut options: Options) -> anyhow::Result<ExitCode> {
    if options.paths.is_empty() {
        options.paths.push(sample::of_the_guide()?);
    }
    println!("{}", as_table(&measure(&options).await?));
    Ok(ExitCode::SUCCESS)
}

/// Measures with the guide's photos.
pub async fn of_the_guide(quick: bool) -> anyhow::Result<Vec<Parsed>> {
    let (files, passes) = if quick { (1_000, 3) } else { (8_154, 5) };
    let paths = vec![sample::of_the_guide()?];
    measure(&Options { paths, files, passes }).await
}

async fn measure(options: &Options) -> anyhow::Result<Vec<Parsed>> {
    node::install().await?;
    let (photos, list) = photos(options)?;
    let passes = options.passes;
    let mut parser = MediaParser::new();
    let mut all = vec![
        pass("s3-exif, whole record", &photos, passes, ours),
        pass("kamadak-exif", &photos, passes, kamadak_exif),
        pass("nom-exif", &photos, passes, |photo| nom_exif(&mut parser, photo)),
    ];
    let programs = vec![
        python::program("parsing.py"),
        node::program("parsing.mjs"),
        exiftool("parsing.pl"),
    ];
    all.extend(peers(programs, &list, passes).await?);
    Ok(all)
}

/// The files, and the path of a list of their paths: a command line has no room for thousands of them.
pub fn photos(options: &Options) -> anyhow::Result<(Vec<Bytes>, PathBuf)> {
    let paths = jpegs(options)?;
    let photos = paths.iter().map(std::fs::read).map(|file| file.map(Bytes::from));
    let list = target().join("bench/photos.txt");
    let lines: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    std::fs::write(&list, lines.join("\n"))?;
    Ok((photos.collect::<Result<_, _>>()?, list))
}

/// What programs print about the files of a list.
pub async fn peers(programs: Vec<Command>, list: &Path, passes: usize) -> anyhow::Result<Vec<Parsed>> {
    let mut all = Vec::new();
    let has_perl = Command::new("perl").arg("-v").output().await.is_ok();
    for mut program in programs {
        if program.as_std().get_program() == "perl" && !has_perl {
            eprintln!("ExifTool is left out, because perl is not installed");
            continue;
        }
        let printed = python::printed(program.arg(list).arg(passes.to_string())).await?;
        for line in printed.lines() {
            all.push(serde_json::from_str(line)?);
        }
    }
    Ok(all)
}

/// ExifTool is a library in Perl. Its package comes with the peers in JavaScript.
pub fn exiftool(program: &str) -> Command {
    let mut command = Command::new("perl");
    command
        .arg("-I")
        .arg(node::file("node_modules/exiftool-vendored.pl/bin/lib"))
        .arg(python::folder().join(program))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn jpegs(options: &Options) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in &options.paths {
        let path = std::path::absolute(path)?;
        if path.is_dir() {
            paths.extend(local::s3::files(&path)?.into_iter().map(|(_, path)| path));
        } else {
            paths.push(path);
        }
    }
    let mut jpegs = Vec::new();
    for path in paths {
        if jpegs.len() < options.files && is_jpeg(&path)? {
            jpegs.push(path);
        }
    }
    ensure!(!jpegs.is_empty(), "there is no JPEG file in {:?}", options.paths);
    Ok(jpegs)
}

fn is_jpeg(path: &Path) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(3).read_to_end(&mut start)?;
    Ok(start == [0xFF, 0xD8, 0xFF])
}

/// The CPU time of each library, as a table.
pub fn as_table(all: &[Parsed]) -> Table {
    let mut table = table(["library", "CPU/image", "images/s per core", "× s3-exif"]);
    let ours = all[0].micros();
    for parsed in all {
        let micros = parsed.micros();
        table.add_row([
            parsed.label(),
            format!("{micros:.1} µs"),
            HumanFloatCount((1e6 / micros).round()).to_string(),
            format!("{:.1}", micros / ours),
        ]);
    }
    table
}

pub fn pass(library: &str, photos: &[Bytes], passes: usize, mut read: impl FnMut(&Bytes)) -> Parsed {
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
