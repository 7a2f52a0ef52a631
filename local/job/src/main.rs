use std::process::ExitCode;

use clap::Parser as _;
use job::commands::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match job::commands::run(Cli::parse()).await {
        Ok(ending) => ending.into(),
        Err(error) => {
            // Without a stack trace: the message says what to do.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
