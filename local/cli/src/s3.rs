//! `cargo local s3`: runs an S3 server in memory until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use local::iam::Roles;
use local::s3::{Chances, Headers, Latency, Object, Part, Server, files};
use local::terminal::stop_requested;
use shared::object::Bucket;

#[derive(Args)]
pub struct Options {
    /// Port to listen on; 0 takes any free port
    #[arg(long, default_value_t = 9500)]
    port: u16,
    /// Load the files of this folder into the bucket; each key is the file's path relative to DIR
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of the bucket; a second bucket, NAME-out, is created for the output
    #[arg(long, value_name = "NAME", default_value = "photos")]
    bucket: String,
    #[command(flatten)]
    latency: Latency,
    #[command(flatten)]
    chances: Chances,
    /// Ignore a part of S3's protocol, as some stores do; can be given more than once
    #[arg(long, value_enum, value_name = "PART")]
    ignore: Vec<Part>,
    /// Enforce the roles of the template. PARAMETER=VALUE sets a parameter of the template, for example SourcePrefix=2024/
    #[arg(long, value_name = "PARAMETER=VALUE", num_args = 0.., value_parser = parameter)]
    roles: Option<Vec<(String, String)>>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write a parameter like SourcePrefix=2024/")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options {
        port,
        data,
        bucket,
        latency,
        chances,
        ignore,
        roles,
    } = options;
    ensure!(
        chances.total() <= 100.0,
        "the percentages of failing requests add up to more than 100"
    );
    let out = format!("{bucket}-out");
    Bucket::new(&bucket)?;
    Bucket::new(&out)?;
    let server = Server::start(port)
        .await
        .with_context(|| format!("port {port} cannot be opened; choose another one with --port"))?;
    server.faults.set_latency(latency);
    server.faults.set_chances(Some(chances));
    for part in ignore {
        server.faults.ignore(part);
    }
    server.store.create_bucket(&bucket);
    server.store.create_bucket(&out);
    if let Some(folder) = data {
        load(&server, &bucket, &folder)?;
    }
    if let Some(parameters) = &roles {
        enforce(&server, [&bucket, &out], parameters).await?;
    }
    println!(
        "The S3 server listens at {} and has the buckets {bucket} and {out}. Ctrl-C stops it.",
        server.endpoint()
    );
    println!("Set these variables, and any AWS program uses it:\n");
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    if let Some(parameters) = roles {
        enforce(&server, [&bucket, &out], &parameters).await?;
        println!(
            "\nThe access keys FanoutRole and ProcessorRole have the permissions of these roles, with the same secret."
        );
    }
    stop_requested().await;
    Ok(ExitCode::SUCCESS)
}

async fn enforce(server: &Server, buckets: [&str; 2], parameters: &[(String, String)]) -> anyhow::Result<()> {
    let buckets = [("SourceBucket", buckets[0]), ("DestinationBucket", buckets[1])];
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let parameters: Vec<(&str, &str)> = buckets.into_iter().chain(parameters).collect();
    *server.roles.write() = Roles::of_template(&parameters).await?;
    Ok(())
}

fn load(server: &Server, bucket: &str, folder: &Path) -> anyhow::Result<()> {
    let files = files(folder)?;
    let mut bytes = 0;
    for (key, path) in &files {
        let body = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        bytes += body.len();
        server
            .store
            .load(bucket, key, Object::new(body.into(), Headers::default()));
    }
    println!("loaded {} files ({bytes} bytes) into s3://{bucket}/", files.len());
    Ok(())
}
