//! The S3 server as a separate process, so that its CPU time is not counted for the measured program.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::program::Load;
use crate::photos::{DESTINATION, SOURCE};
use crate::tls::{self, Certificate};
use local::connections::Connections;
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
    /// The folder of the certificate
    #[arg(long)]
    tls: Option<PathBuf>,
    #[command(flatten)]
    latency: Latency,
}

/// What the server prints at its start.
#[derive(Serialize, Deserialize)]
struct Endpoints {
    /// For the measured programs.
    measured: String,
    /// For the benchmark itself. It has no TLS, and its connections are not counted.
    own: String,
}

/// What the server counted since its start.
#[derive(Serialize, Deserialize)]
pub struct Counted {
    pub totals: Totals,
    pub connections: Connections,
}

/// Prints the endpoints. Then prints the counts for each line of its input, and ends when the input ends.
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
    let tls = options.tls.as_deref().map(tls::acceptor).transpose()?;
    let measured = server.another_endpoint(tls).await?;
    let endpoints = Endpoints {
        measured: measured.url(),
        own: server.endpoint(),
    };
    println!("{}", serde_json::to_string(&endpoints)?);
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            line?;
            let counted = Counted {
                totals: server.served.totals(),
                connections: measured.connections(),
            };
            println!("{}", serde_json::to_string(&counted)?);
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
    endpoints: Endpoints,
    certificate: Option<Certificate>,
}

impl Server {
    /// Starts the server with the images of a load.
    pub async fn start(load: &Load) -> anyhow::Result<Self> {
        let latency = load.latency;
        let certificate = load.over_tls.then(Certificate::new).transpose()?;
        let micros = |time: Duration| format!("{}us", time.as_micros());
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "serve"])
            .arg(&load.folder)
            .args(["--images", &load.images.to_string()])
            .args((!load.sends_checksums).then_some("--no-checksums"))
            .args(
                certificate
                    .iter()
                    .flat_map(|it| ["--tls".as_ref(), it.folder().as_os_str()]),
            )
            .args(["--get-latency", &micros(latency.get)])
            .args(["--put-latency", &micros(latency.put)])
            .args(["--list-latency", &micros(latency.list)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the S3 server cannot be started")?;
        let input = child.stdin.take().context("the S3 server has no input pipe")?;
        let mut output = BufReader::new(child.stdout.take().context("the S3 server has no output pipe")?).lines();
        Ok(Self {
            endpoints: serde_json::from_str(&line(&mut output).await?)?,
            child,
            input,
            output,
            certificate,
        })
    }

    pub async fn counted(&mut self) -> anyhow::Result<Counted> {
        self.input.write_all(b"\n").await?;
        Ok(serde_json::from_str(&line(&mut self.output).await?)?)
    }

    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(self.child.id().context("the S3 server has ended")?)
    }

    /// The environment variables that make a program use the server, and trust its certificate.
    pub fn environment(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut environment = s3::environment(&self.endpoints.measured);
        if let Some(certificate) = &self.certificate {
            environment.extend(certificate.trust()?);
        }
        Ok(environment)
    }

    /// For the benchmark's own requests.
    pub async fn sdk(&self) -> SdkConfig {
        s3::sdk(&self.endpoints.own).await
    }
}

async fn line(output: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<String> {
    output.next_line().await?.context("the S3 server has ended")
}
