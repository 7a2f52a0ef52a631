//! Translates the template as `CloudFormation` does. A Python program does the work, because the SAM transform is a Python
//! package.

use anyhow::ensure;
use serde_json::Value;
use tokio::process::Command;

use crate::{tools, workspace};

/// The resources and outputs of a stack with these parameters. Fails with the words of `CloudFormation` if it would refuse
/// them. Names that AWS would make are made up: `stack-` and the logical id of the resource.
pub async fn translated(parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
    let folder = workspace::folder().join("local/cloudformation");
    let python = tools::python("cloudformation", &folder.join("requirements.txt")).await?;
    let mut command = Command::new(python);
    command
        .arg(folder.join("translate.py"))
        .arg(workspace::folder().join("template.yaml"))
        .args(parameters.iter().map(|(name, value)| format!("{name}={value}")))
        .env("AWS_DEFAULT_REGION", "us-east-1");
    let output = command.output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
