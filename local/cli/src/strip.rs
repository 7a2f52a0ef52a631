//! `cargo local exif --strip`: the same pictures on disk without their metadata.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use shared::metadata::read_whole;
pub use shared::strip::Options;
use shared::strip::strip_whole;
use walkdir::WalkDir;

/// Strips a file into another one, or all files below a folder into another folder. A file that cannot be stripped is named
/// with its reason, and nothing is written for it; the command then ends with a failure.
pub fn run(paths: &[PathBuf], options: Options) -> anyhow::Result<ExitCode> {
    let [from, to] = paths else {
        bail!("--strip takes two paths: a file and the file to write, or a folder and the folder to write into");
    };
    ensure!(
        !starts_below(to, from)?,
        "{} lies inside {}: nothing may be written among the sources",
        to.display(),
        from.display()
    );
    let mut exit = ExitCode::SUCCESS;
    let (mut files, mut refused) = (0, 0);
    for entry in WalkDir::new(from).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_dir() {
            continue;
        }
        files += 1;
        let name = entry.path().strip_prefix(from)?;
        // A file has no name below itself.
        let target = if name.as_os_str().is_empty() {
            to.clone()
        } else {
            to.join(name)
        };
        if let Err(error) = strip(entry.path(), &target, options) {
            eprintln!("{}: {error:#}", entry.path().display());
            refused += 1;
            exit = ExitCode::FAILURE;
        }
    }
    eprintln!("{} of {files} stripped", files - refused);
    Ok(exit)
}

/// Whether a path is a folder, or lies below it.
fn starts_below(path: &Path, folder: &Path) -> anyhow::Result<bool> {
    Ok(std::path::absolute(path)?.starts_with(std::path::absolute(folder)?))
}

fn strip(from: &Path, to: &Path, options: Options) -> anyhow::Result<()> {
    let source = Bytes::from(std::fs::read(from)?);
    let metadata = read_whole(source.clone());
    let stripped = strip_whole(source, &metadata, options)?;
    for warning in stripped.warnings {
        eprintln!("{}: {warning}", from.display());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(to, stripped.bytes).with_context(|| format!("{} cannot be written", to.display()))
}
