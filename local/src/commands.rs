//! The small commands of `cargo local`.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use shared::uri::S3Uri;

use crate::s3::{Chances, Headers, Latency, Object, Server, files};
use crate::{dataset, stop};

/// Serves S3 until told to stop.
pub async fn s3(
    port: u16,
    data: Option<&Path>,
    bucket: &str,
    latency: Latency,
    chances: Chances,
) -> anyhow::Result<ExitCode> {
    ensure!(
        chances.total() <= 100.0,
        "no more than 100 in a hundred requests can fail"
    );
    let out = format!("{bucket}-out");
    S3Uri::new(bucket, "")?;
    S3Uri::new(&out, "")?;
    let server = Server::start(port).await?;
    server.faults.set_latency(latency);
    server.faults.set_chances(Some(chances));
    server.store.create_bucket(bucket);
    server.store.create_bucket(&out);
    if let Some(folder) = data {
        let mut bytes = 0;
        let files = files(folder)?;
        for (key, path) in &files {
            let body = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            bytes += body.len();
            server
                .store
                .load(bucket, key, Object::new(body.into(), Headers::default()));
        }
        println!("loaded {} files, {bytes} bytes, into s3://{bucket}/", files.len());
    }
    println!(
        "S3 is at {}, with the buckets {bucket} and {out}. Ctrl-C stops it.",
        server.endpoint()
    );
    println!("Any AWS program finds it with:\n");
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    stop::requested().await;
    Ok(ExitCode::SUCCESS)
}

pub fn dataset(out: &Path, count: usize) -> anyhow::Result<ExitCode> {
    let progress = bar(count, "photos");
    let bytes = dataset::write(out, count, &progress)?;
    progress.finish_and_clear();
    println!("{count} photos, {bytes} bytes, in {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// A time as a user writes it.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as in 800ms or 1.2s"))
}

/// A progress bar with a rate.
///
/// # Panics
/// Never: the template is a constant.
#[must_use]
pub fn bar(count: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>9} {bar:40} {human_pos}/{human_len}  {rate}  {elapsed}")
        .expect("the template is valid")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A bar that cannot be written is not worth failing for.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
    ProgressBar::new(count as u64).with_style(style).with_message(what)
}
