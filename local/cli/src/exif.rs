//! `cargo local exif`: prints the records of files on disk. It reads the same ranges as the processor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::iter;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use indicatif::HumanBytes;
use serde::Serialize;
use shared::metadata::record::{self, Origin, Record};
use shared::metadata::{self, FileView, Format, Progress};
use shared::strip::Scope;
use walkdir::WalkDir;

use crate::strip;

#[derive(Args)]
pub struct Options {
    /// Files, or folders to read with all files below them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print the requests that the processor would send for each file, instead of its record
    #[arg(long, conflicts_with = "pretty")]
    explain: bool,
    /// Write files without metadata instead: PATHS are a file or folder, and the file or folder to write
    #[arg(long, value_name = "all|location", value_parser = scope, conflicts_with_all = ["explain", "pretty", "front_bytes"])]
    strip: Option<Scope>,
    /// With --strip all: keep who made the picture, and who may use it
    #[arg(long, requires = "strip")]
    keep_copyright: bool,
    /// Print each record on several lines, indented
    #[arg(long)]
    pretty: bool,
    /// Number of bytes to read first from each file
    #[arg(long, value_name = "BYTES", default_value_t = metadata::FRONT_BYTES, value_parser = clap::value_parser!(u64).range(1..))]
    front_bytes: u64,
}

/// Prints a record for each file, in the order of the paths, and then the number and size of the files of each format on
/// standard error. For a file that cannot be read, it prints an error there and continues; the command then ends with a
/// failure.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(scope) = options.strip {
        let keep_copyright = options.keep_copyright;
        return strip::run(&options.paths, strip::Options { scope, keep_copyright });
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut total = Total::default();
    let mut exit = ExitCode::SUCCESS;
    let paths = options.paths.iter();
    for entry in paths.flat_map(|path| WalkDir::new(path).sort_by_file_name()) {
        let read = match entry {
            Ok(entry) if entry.file_type().is_dir() => continue,
            Ok(entry) => read(entry.path(), options.front_bytes)
                .with_context(|| format!("{} cannot be read", entry.path().display())),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok((mut record, requests)) => {
                total.add(&record, &requests);
                if options.explain {
                    serde_json::to_writer(&mut out, &Explained::new(&record, &requests))?;
                } else {
                    let line = record.fit(record::MAX_BYTES);
                    if options.pretty {
                        serde_json::to_writer_pretty(&mut out, &record)?;
                    } else {
                        out.write_all(&line)?;
                    }
                }
            }
            Err(error) => {
                eprintln!("{error:#}");
                exit = ExitCode::FAILURE;
                continue;
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    eprint!("{total}");
    Ok(exit)
}

fn scope(name: &str) -> Result<Scope, String> {
    match name {
        "all" => Ok(Scope::All),
        "location" => Ok(Scope::Location),
        _ => Err("must be `all` or `location`".to_owned()),
    }
}

/// Returns the record of a file and the ranges that were read for it.
fn read(path: &Path, front_bytes: u64) -> anyhow::Result<(Record, Vec<Range<u64>>)> {
    let data = std::fs::metadata(path)?;
    // Opening a pipe would wait for its writer.
    anyhow::ensure!(data.is_file(), "not a regular file");
    let file = File::open(path)?;
    let origin = Origin {
        key: path.to_string_lossy().into_owned().into(),
        size: data.len(),
        last_modified: humantime::format_rfc3339_seconds(data.modified()?).to_string(),
        ..Origin::default()
    };
    let mut requests = Vec::new();
    let mut view = FileView::new(data.len());
    let mut ranges: Vec<_> = iter::once(0..front_bytes.min(data.len())).collect();
    let metadata = loop {
        for range in &ranges {
            view.insert(range.start, read_range(&file, range)?);
        }
        requests.append(&mut ranges);
        match metadata::read(&view) {
            Progress::Complete(metadata) => break metadata,
            Progress::NeedRanges(needed) => ranges = needed,
            Progress::NeedStream(mut skim) => {
                let rest = skim.from()..data.len();
                skim.feed(&read_range(&file, &rest)?);
                skim.finish(&mut view);
                requests.push(rest);
            }
        }
    };
    Ok((Record::new(origin, metadata), requests))
}

fn read_range(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

/// The requests that it takes to read one object.
#[derive(Serialize)]
struct Explained<'a> {
    key: &'a str,
    format: Format,
    size: u64,
    /// Total of all requests.
    bytes: u64,
    /// First and last byte of each request, as in a Range header.
    requests: Vec<String>,
}

impl<'a> Explained<'a> {
    fn new(record: &'a Record, requests: &[Range<u64>]) -> Self {
        Self {
            key: record.origin.key.as_str(),
            format: record.format,
            size: record.origin.size,
            bytes: requests.iter().map(|range| range.end - range.start).sum(),
            requests: requests
                .iter()
                .map(|range| format!("{}-{}", range.start, range.end.saturating_sub(1)))
                .collect(),
        }
    }
}

/// The files so far, by format.
#[derive(Default)]
struct Total(BTreeMap<Format, Files>);

#[derive(Clone, Copy, Default)]
struct Files {
    count: usize,
    requests: usize,
    /// Of all requests.
    bytes: u64,
    /// Of all files.
    size: u64,
}

impl Total {
    fn add(&mut self, record: &Record, requests: &[Range<u64>]) {
        let files = self.0.entry(record.format).or_default();
        files.count += 1;
        files.requests += requests.len();
        files.bytes += requests.iter().map(|range| range.end - range.start).sum::<u64>();
        files.size += record.origin.size;
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all = Files::default();
        for (format, of_format) in &self.0 {
            all.count += of_format.count;
            all.requests += of_format.requests;
            all.bytes += of_format.bytes;
            all.size += of_format.size;
            writeln!(f, "{:<8} {of_format}", format.to_string())?;
        }
        writeln!(f, "{:<8} {all}", "all")
    }
}

impl std::fmt::Display for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        write!(
            f,
            "{}: {} for {} of {}",
            counted(self.count, "file"),
            counted(self.requests, "request"),
            HumanBytes(self.bytes),
            HumanBytes(self.size)
        )
    }
}
