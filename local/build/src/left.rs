//! What is left to build, and how long that takes.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::thread;
use std::time::SystemTime;

use crate::{PROGRAMS, cargo, target, workspace};

/// The CPU time to compile a crate on average, and that to link a program with all of its code, in seconds. From
/// `cargo build --release --timings` on two cores: 346 crates and 3 programs in 16 min 20 s.
const CRATE_SECONDS: f64 = 3.6;
const PROGRAM_SECONDS: f64 = 236.0;

/// What is left to build of the programs of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Crates that were never built.
    pub crates: usize,
    /// All crates.
    pub of_crates: usize,
    /// Programs that do not exist, or are older than their code.
    pub programs: usize,
    /// The cores of this machine.
    pub cores: usize,
}

impl Left {
    /// Asks Cargo for the crates, and looks for them in the folder for builds. Cargo downloads what it does not have.
    pub fn find() -> io::Result<Self> {
        let packages = [
            "--package",
            "local-cli",
            "--package",
            "fanout",
            "--package",
            "processor",
        ];
        let tree = cargo()
            .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"])
            .args(packages)
            .stderr(std::process::Stdio::inherit())
            .output()?;
        if !tree.status.success() {
            return Err(io::Error::other(format!("cargo tree failed: {}", tree.status)));
        }
        let crates = names(&String::from_utf8_lossy(&tree.stdout));
        let release = target().join("release");
        let built = built(&release.join(".fingerprint"))?;
        let changed = newest(workspace())?;
        let is_old = |program: &str| {
            let written = fs::metadata(release.join(program)).and_then(|file| file.modified());
            written.map_or(true, |written| written < changed)
        };
        Ok(Self {
            crates: crates.difference(&built).count(),
            of_crates: crates.len(),
            programs: PROGRAMS.into_iter().filter(|program| is_old(program)).count(),
            cores: thread::available_parallelism().map_or(1, usize::from),
        })
    }

    /// A program is linked by one core, and the others wait at the end.
    fn minutes(&self) -> u64 {
        let cores = self.cores as f64;
        let programs = self.programs as f64 * PROGRAM_SECONDS / cores.min(self.programs.max(1) as f64);
        let seconds = self.crates as f64 * CRATE_SECONDS / cores + programs;
        // A number of minutes is never negative, and small.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let minutes = (seconds / 60.0).ceil() as u64;
        minutes.max(1)
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.crates == 0 && self.programs == 0
    }
}

impl fmt::Display for Left {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, cores) = (self.minutes(), self.cores);
        write!(formatter, "building: ")?;
        if self.crates > 0 {
            write!(formatter, "{} of {} crates and ", self.crates, self.of_crates)?;
        }
        write!(
            formatter,
            "{} of {} programs are left; this takes about {minutes} min on {cores} cores, and only once",
            self.programs,
            PROGRAMS.len()
        )
    }
}

/// The names of the crates in the output of `cargo tree`.
fn names(tree: &str) -> BTreeSet<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The names of the crates that were built. Cargo has a folder `NAME-HASH` for each crate, and a file in it when its
/// library or program is built.
fn built(fingerprints: &Path) -> io::Result<BTreeSet<String>> {
    let folders = match fs::read_dir(fingerprints) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let is_output = |file: &DirEntry| {
        let name = file.file_name();
        [&b"lib-"[..], b"bin-"]
            .iter()
            .any(|start| name.as_encoded_bytes().starts_with(start))
    };
    let mut built = BTreeSet::new();
    for folder in folders {
        let folder = folder?;
        let name = folder.file_name().to_string_lossy().into_owned();
        if let Some((name, _)) = name.rsplit_once('-')
            && fs::read_dir(folder.path())?.flatten().any(|file| is_output(&file))
        {
            built.insert(name.to_owned());
        }
    }
    Ok(built)
}

/// When the code of the workspace was last changed.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if entry.file_type()?.is_dir() {
            if !is_hidden && name != "target" && name != "tests" {
                newest = newest.max(self::newest(&path)?);
            }
        } else if path
            .extension()
            .is_some_and(|ending| ending == "rs" || ending == "toml")
        {
            newest = newest.max(entry.metadata()?.modified()?);
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_is_named_once() {
        let tree =
            "local-cli v0.1.0 (/x/local/cli)\nanyhow v1.0.1\n\nfanout v0.1.0 (/x)\nanyhow v1.0.1 (*)\nmd-5 v0.11.0\n";
        let names: Vec<String> = names(tree).into_iter().collect();
        assert_eq!(names, ["anyhow", "fanout", "local-cli", "md-5"]);
    }

    #[test]
    fn what_is_left_is_said_with_its_time() {
        let mut left = Left {
            crates: 300,
            of_crates: 350,
            programs: 3,
            cores: 2,
        };
        let all = left.to_string();
        assert!(
            all.starts_with("building: 300 of 350 crates and 3 of 3 programs are left"),
            "{all}"
        );
        left.cores = 16;
        assert!(left.minutes() < 10, "{left}");
        left.crates = 0;
        assert!(
            left.to_string().starts_with("building: 3 of 3 programs are left"),
            "{left}"
        );
        left.programs = 0;
        assert!(left.is_nothing());
    }
}
