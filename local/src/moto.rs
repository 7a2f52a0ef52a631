//! moto's server: AWS services that the S3 server and the Lambda endpoint of this crate do not stand in for.

use std::process::Stdio;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{tools, workspace};

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Moto {
    pub url: String,
    _child: Child,
}

impl Moto {
    /// Installs moto if it is missing, and starts it on a free port.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = workspace::folder().join("local/cloudformation");
        let python = tools::python("moto", &folder.join("requirements-moto.txt")).await?;
        let mut child = Command::new(python)
            .arg(folder.join("serve.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("moto has no output")?);
        let line = output.lines().next_line().await?;
        Ok(Self {
            url: line.context("moto's server did not start")?,
            _child: child,
        })
    }
}
