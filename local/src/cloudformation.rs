//! Translates the template as `CloudFormation` does. A Python program does the work, because the SAM transform is a Python
//! package.

use anyhow::ensure;
use serde_json::Value;
use tokio::process::Command;

use crate::{tools, workspace};

/// The resources and outputs of a stack with these parameters. Fails with the words of `CloudFormation` if it would refuse
/// them. Names that AWS would make are made up: `stack-` and the logical id of the resource.
pub async fn translated(parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut command = program("cloudformation", "requirements.txt", "translate.py").await?;
    command.args(parameters.iter().map(|(name, value)| format!("{name}={value}")));
    printed(command).await
}

/// Runs the state machine of the template in moto's interpreter, as an execution with a name. Its batches go to the
/// function of a Lambda endpoint. Returns the status, and the outputs of all batches.
pub async fn run_map(s3_url: &str, lambda_url: &str, credentials: [&str; 2], name: &str) -> anyhow::Result<Value> {
    let mut command = program("moto", "requirements-moto.txt", "run_map.py").await?;
    command.args([s3_url, lambda_url]).args(credentials).arg(name);
    printed(command).await
}

/// One of our Python programs, with the packages that it needs, and with the template as its first argument.
async fn program(environment: &str, requirements: &str, name: &str) -> anyhow::Result<Command> {
    let folder = workspace::folder().join("local/cloudformation");
    let python = tools::python(environment, &folder.join(requirements)).await?;
    let mut command = Command::new(python);
    command
        .arg(folder.join(name))
        .arg(workspace::folder().join("template.yaml"))
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .kill_on_drop(true);
    Ok(command)
}

/// What a program prints, as JSON.
async fn printed(mut command: Command) -> anyhow::Result<Value> {
    let output = command.output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
