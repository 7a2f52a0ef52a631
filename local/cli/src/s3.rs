//! `cargo local s3`: runs an S3 server in memory until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context as _, ensure};
use clap::Args;
use local::iam::Roles;
use local::s3::{Chances, Headers, Latency, Object, Part, Responder, Server, files};
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
    /// Print each request with the status of its response
    #[arg(long)]
    log: bool,
    /// Refuse requests that are not signed with the credentials that are printed; without this, any credentials will do
    #[arg(long)]
    check_credentials: bool,
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
    ensure!(
        options.chances.total() <= 100.0,
        "the percentages of failing requests add up to more than 100"
    );
    let (bucket, out) = (options.bucket.as_str(), format!("{}-out", options.bucket));
    Bucket::new(bucket)?;
    Bucket::new(&out)?;
    let port = options.port;
    let server = Server::start_after(port, async |responder| prepare(responder, &options, &out).await);
    let server = server
        .await
        .with_context(|| format!("the server cannot start at port {port}; --port chooses another one"))?;
    println!(
        "The S3 server listens at {} and has the buckets {bucket} and {out}. Ctrl-C stops it.",
        server.endpoint()
    );
    let credentials = if options.check_credentials { "only these" } else { "any" };
    println!("Set these variables, and any AWS program uses it ({credentials} credentials will do):\n");
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    if options.roles.is_some() {
        println!(
            "\nThe access keys FanoutRole and ProcessorRole have the permissions of these roles, with the same secret."
        );
    }
    stop_requested().await;
    Ok(ExitCode::SUCCESS)
}

/// Fills a server before it listens.
async fn prepare(server: &Responder, options: &Options, out: &str) -> anyhow::Result<()> {
    server.faults.set_latency(options.latency);
    server.faults.set_chances(Some(options.chances));
    for part in &options.ignore {
        server.faults.ignore(*part);
    }
    server.log.store(options.log, Relaxed);
    server.any_credentials.store(!options.check_credentials, Relaxed);
    server.store.create_bucket(&options.bucket);
    server.store.create_bucket(out);
    if let Some(folder) = &options.data {
        load(server, &options.bucket, folder)?;
    }
    if let Some(parameters) = &options.roles {
        enforce(server, [&options.bucket, out], parameters).await?;
    }
    Ok(())
}

async fn enforce(server: &Responder, buckets: [&str; 2], parameters: &[(String, String)]) -> anyhow::Result<()> {
    let buckets = [("SourceBucket", buckets[0]), ("DestinationBucket", buckets[1])];
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let parameters: Vec<(&str, &str)> = buckets.into_iter().chain(parameters).collect();
    *server.roles.write() = Roles::of_template(&parameters).await?;
    Ok(())
}

fn load(server: &Responder, bucket: &str, folder: &Path) -> anyhow::Result<()> {
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
