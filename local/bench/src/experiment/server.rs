//! The S3 server as a separate process, so that its CPU time is not counted for the measured program.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use clap::Args;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::program::Load;
use crate::photos::{DESTINATION, SOURCE};
use local::process::cpu_time;
use local::s3::{self, Headers, Latency, Object, Totals, files};

/// The options of the process.
#[derive(Args, Debug)]
pub struct Options {
    data: PathBuf,
    #[arg(long)]
    images: usize,
    #[arg(long)]
    no_checksums: bool,
    #[command(flatten)]
    latency: Latency,
}

/// Prints the endpoint. Then prints the totals for each line of its input, and ends when the input ends.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let server = s3::Server::start(0).await?;
    server.faults.set_latency(options.latency);
    server.store.create_bucket(SOURCE);
    server.store.create_bucket(DESTINATION);
    for (key, path) in files(&options.data)?.into_iter().take(options.images) {
        let mut object = Object::new(std::fs::read(path)?.into(), Headers::default());
        if options.no_checksums {
            object.checksum = None;
        }
        server.store.load(SOURCE, &key, object);
    }
    println!("{}", server.endpoint());
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            line?;
            println!("{}", serde_json::to_string(&server.served.totals())?);
        }
        anyhow::Ok(())
    })
    .await?
}

/// The running process. Dropping it kills the process.
pub struct Server {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    endpoint: String,
}

impl Server {
    /// Starts the server with the images of a load.
    pub async fn start(load: &Load) -> anyhow::Result<Self> {
        let latency = load.latency;
        let micros = |time: Duration| format!("{}us", time.as_micros());
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "serve"])
            .arg(&load.folder)
            .args(["--images", &load.images.to_string()])
            .args((!load.sends_checksums).then_some("--no-checksums"))
            .args(["--get-latency", &micros(latency.get)])
            .args(["--put-latency", &micros(latency.put)])
            .args(["--list-latency", &micros(latency.list)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the S3 server cannot be started")?;
        let input = child.stdin.take().context("the S3 server has no input pipe")?;
        let output = BufReader::new(child.stdout.take().context("the S3 server has no output pipe")?).lines();
        let mut server = Self {
            child,
            input,
            output,
            endpoint: String::new(),
        };
        server.endpoint = server.line().await?;
        Ok(server)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        self.output.next_line().await?.context("the S3 server has ended")
    }

    pub async fn totals(&mut self) -> anyhow::Result<Totals> {
        self.input.write_all(b"\n").await?;
        Ok(serde_json::from_str(&self.line().await?)?)
    }

    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(self.child.id().context("the S3 server has ended")?)
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        s3::environment(&self.endpoint)
    }

    pub async fn sdk(&self) -> SdkConfig {
        s3::sdk(&self.endpoint).await
    }
}
