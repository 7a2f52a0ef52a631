//! The small commands of `cargo local`.

use std::fmt;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use shared::exif;
use shared::record::{Origin, Record};
use shared::uri::S3Uri;
use walkdir::WalkDir;

use crate::s3::{Headers, Latency, Object, Server, files};
use crate::{dataset, stop};

/// Serves S3 until told to stop.
pub async fn s3(port: u16, data: Option<&Path>, bucket: &str, latency: Latency) -> anyhow::Result<ExitCode> {
    let out = format!("{bucket}-out");
    S3Uri::new(bucket, "")?;
    S3Uri::new(&out, "")?;
    let server = Server::start(port).await?;
    server.faults.set_latency(latency);
    server.store.create_bucket(bucket);
    server.store.create_bucket(&out);
    if let Some(folder) = data {
        let mut bytes = 0;
        let files = files(folder)?;
        for (key, path) in &files {
            let body = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            bytes += body.len();
            server
                .store
                .load(bucket, key, Object::new(body.into(), Headers::default()));
        }
        println!("loaded {} files, {bytes} bytes, into s3://{bucket}/", files.len());
    }
    println!(
        "S3 is at {}, with the buckets {bucket} and {out}. Ctrl-C stops it.",
        server.endpoint()
    );
    println!("Any AWS program finds it with:\n");
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    stop::requested().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints records in the order of the paths. A file that cannot be read is told on standard error,
/// and makes the command fail at its end.
pub fn exif(paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut exit = ExitCode::SUCCESS;
    for entry in paths.iter().flat_map(|path| WalkDir::new(path).sort_by_file_name()) {
        let record = match entry {
            Ok(entry) if !entry.file_type().is_file() => continue,
            Ok(entry) => record(entry.path()),
            Err(error) => Err(error.into()),
        };
        match record {
            Ok(record) => {
                serde_json::to_writer(&mut out, &record)?;
                out.write_all(b"\n")?;
            }
            Err(error) => {
                eprintln!("{error:#}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

fn record(path: &Path) -> anyhow::Result<Record> {
    let context = || format!("{} cannot be read", path.display());
    let bytes = std::fs::read(path).with_context(context)?;
    let modified = std::fs::metadata(path)
        .and_then(|data| data.modified())
        .with_context(context)?;
    let origin = Origin {
        key: path.to_string_lossy().into_owned(),
        size: bytes.len() as u64,
        last_modified: humantime::format_rfc3339_seconds(modified).to_string(),
        ..Origin::default()
    };
    let metadata = exif::read(&bytes, true).expect("a whole file settles what is in it");
    Ok(Record::new(origin, metadata))
}

pub fn dataset(out: &Path, count: usize) -> anyhow::Result<ExitCode> {
    let progress = bar(count, "photos");
    let bytes = dataset::write(out, count, &progress)?;
    progress.finish_and_clear();
    println!("{count} photos, {bytes} bytes, in {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// A progress bar with a rate.
///
/// # Panics
/// Never: the template is a constant.
#[must_use]
pub fn bar(count: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>9} {bar:40} {human_pos}/{human_len}  {rate}  {elapsed}")
        .expect("the template is valid")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A bar that cannot be written is not worth failing for.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
    ProgressBar::new(count as u64).with_style(style).with_message(what)
}
