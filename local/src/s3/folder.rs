use std::path::{Path, PathBuf};

use anyhow::Context as _;
use walkdir::WalkDir;

/// Lists the files below a folder, in key order. The key of each file is its path relative to the folder.
pub fn files(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.with_context(|| format!("{} cannot be read", folder.display()))?;
        if !entry.file_type().is_file() {
            continue;
        }
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
        let parts =
            parts.with_context(|| format!("{}: the name is not UTF-8, so it cannot be a key", relative.display()))?;
        files.push((parts.join("/"), entry.into_path()));
    }
    files.sort();
    Ok(files)
}
