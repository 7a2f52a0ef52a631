//! Deliberate faults: each leaves out one rule of the protocol. The simulator must find all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Args;
use local::workspace::{folder, run as run_program, target};
use tokio::process::Command;

use super::simulator;
use crate::table::table;

/// A fault that is not found by then is reported as such.
const MAX_SEEDS: u64 = 10_000;

#[derive(Args, Debug)]
pub struct Options {
    /// Only faults with this text in their name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// A fault: what it breaks, and the change that breaks it.
struct Fault {
    name: String,
    rule: String,
    patch: PathBuf,
}

pub async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let faults = faults(&options.only)?;
    println!(
        "{} faults, each in a copy of the last commit below target/faults; each is built (a minute; the first takes ten) \
         and run with up to {MAX_SEEDS} seeds",
        faults.len()
    );
    let copy = Copy::new().await?;
    let mut results = table(["fault", "what it does", "found", "took"]);
    let mut missed = 0;
    for fault in &faults {
        let (found, took) = copy.run(fault).await?;
        println!("{}: {}", fault.name, found.as_deref().unwrap_or("not found"));
        missed += u32::from(found.is_none());
        let found = found.unwrap_or_else(|| "not found".to_owned());
        results.add_row([&fault.name, &fault.rule, &found, &format!("{took} s")]);
    }
    println!("{results}");
    Ok(ExitCode::from(u8::from(missed > 0)))
}

fn faults(only: &str) -> anyhow::Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder().join("local/simulator/faults"))? {
        let patch = entry?.path();
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&patch).with_context(|| format!("{} cannot be read", patch.display()))?;
        let rule = text.lines().next().unwrap_or_default().to_owned();
        faults.push(Fault { name, rule, patch });
    }
    faults.retain(|fault| fault.name.contains(only));
    faults.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!faults.is_empty(), "no fault has {only:?} in its name");
    Ok(faults)
}

/// A copy of the last commit, for changes.
///
/// It has builds of its own: Cargo cannot tell its builds from those of the original, and would take one with a fault for
/// the other.
struct Copy {
    code: PathBuf,
    builds: PathBuf,
}

impl Copy {
    async fn new() -> anyhow::Result<Self> {
        let folder_of = |name: &str| target().join("faults").join(name);
        let (code, builds) = (folder_of("code"), folder_of("builds"));
        if code.exists() {
            run_program(&mut git(folder(), &["worktree", "remove", "--force"], Some(&code))).await?;
        }
        let add = ["worktree", "add", "--quiet", "--detach"];
        run_program(&mut git(folder(), &add, Some(&code))).await?;
        Ok(Self { code, builds })
    }

    /// Runs the simulator with a fault. Returns the seed that found it, with the rule that it breaks, and how many
    /// seconds that took.
    async fn run(&self, fault: &Fault) -> anyhow::Result<(Option<String>, u64)> {
        run_program(&mut git(&self.code, &["checkout", "--quiet", "."], None)).await?;
        let applied = run_program(&mut git(&self.code, &["apply"], Some(&fault.patch))).await;
        applied.with_context(|| format!("{} does not fit the code any longer", fault.patch.display()))?;
        // The build first, so that only the run is timed.
        let built = self.simulator(0).output().await?;
        ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let began = Instant::now();
        let output = self.simulator(MAX_SEEDS).output().await?;
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = output.lines().find(|line| line.starts_with("seed "));
        let rule = |line: &str| line.split(':').take(2).collect::<Vec<_>>().join(":");
        Ok((found.map(rule), began.elapsed().as_secs()))
    }

    fn simulator(&self, seeds: u64) -> Command {
        let mut command = simulator(&self.code);
        command.env("CARGO_TARGET_DIR", &self.builds);
        command.args(["--seeds", &seeds.to_string()]);
        command
    }
}

fn git(folder: &Path, arguments: &[&str], path: Option<&Path>) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).args(path);
    command
}
