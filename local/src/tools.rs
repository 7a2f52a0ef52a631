//! Programs that are installed below `target/tools` if the machine does not have them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::workspace::{run, target};

/// The version that this project is tested with. It is a prebuilt wheel.
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";

#[must_use]
pub fn folder() -> PathBuf {
    target().join("tools")
}

/// Returns `cargo-lambda` from PATH, or installs it into a virtual environment.
pub async fn cargo_lambda() -> anyhow::Result<PathBuf> {
    let on_path = PathBuf::from("cargo-lambda");
    if works(&on_path).await {
        return Ok(on_path);
    }
    // Tests run at the same time: one installs, and the others wait for it.
    let _lock = lock(folder()).await?;
    let environment = folder().join(CARGO_LAMBDA.replace("==", "-"));
    let installed = environment.join("bin/cargo-lambda");
    if works(&installed).await {
        return Ok(installed);
    }
    println!(
        "cargo-lambda is not on PATH: installing {CARGO_LAMBDA} into {}",
        environment.display()
    );
    make_virtual_environment(&environment).await?;
    run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", CARGO_LAMBDA]))
        .await
        .with_context(|| format!("{CARGO_LAMBDA} could not be installed"))?;
    ensure!(works(&installed).await, "{} does not run", installed.display());
    Ok(installed)
}

/// Returns a Python with the packages that a file of requirements lists. It is in the environment `name`.
pub async fn python(name: &str, requirements: &Path) -> anyhow::Result<PathBuf> {
    let environment = folder().join(name);
    let python = environment.join("bin/python");
    // This copy of the requirements is written last, so it lists what is installed.
    let installed = environment.join("installed.txt");
    let wanted = std::fs::read(requirements)?;
    let _lock = lock(folder()).await?;
    if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    println!("installing Python packages into {}", environment.display());
    make_virtual_environment(&environment).await?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(requirements))
    .await
    .with_context(|| format!("the packages in {} could not be installed", requirements.display()))?;
    std::fs::write(&installed, wanted)?;
    Ok(python)
}

async fn works(program: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .args(["lambda", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

/// Waits until no other process installs tools. Dropping the file releases the lock.
async fn lock(tools: PathBuf) -> anyhow::Result<File> {
    spawn_blocking(move || {
        std::fs::create_dir_all(&tools)?;
        let file = File::create(tools.join("lock"))?;
        file.lock()?;
        Ok(file)
    })
    .await?
}

/// Creates an empty virtual environment for Python 3, and replaces an existing one.
async fn make_virtual_environment(environment: &Path) -> anyhow::Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment))
        .await
        .context("the virtual environment could not be created; is Python 3 installed, with its venv module?")
}
