//! The demo: a whole job on this machine. It uploads sample photos to the local S3 server, runs both functions under
//! `cargo lambda watch`, runs one job over all photos, and checks every object.

mod check;
mod finished_job;
mod keep;
mod renditions;
mod report;
mod upload;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, ensure};
use aws_sdk_s3::Client;
use clap::Args;
use job::ending::Ending;
use serde_json::{Value, json};
use shared::destination::Destination;
use shared::object::S3Uri;
use shared::protocol::job::{Report, State};

use self::finished_job::{FinishedJob, Wanted};
use crate::functions::{Setup, client};
use crate::s3::Server;
use crate::terminal::stop_requested;
use crate::workspace::{Profile, build_functions};
use crate::{dataset, tools};

const SOURCE: &str = "s3://photos/album/";
const DESTINATION: &str = "s3://photos-out/album/";
const JOB_ID: &str = "demo";

/// The template's parameters for this source and destination.
const PARAMETERS: [(&str, &str); 4] = [
    ("SourceBucket", "photos"),
    ("SourcePrefix", "album/"),
    ("DestinationBucket", "photos-out"),
    ("DestinationPrefix", "album/"),
];

#[derive(Args, Debug)]
pub struct Options {
    /// Process the images in this folder instead of sample photos; they are only read
    #[arg(long, value_name = "DIR", conflicts_with = "count")]
    pub images: Option<PathBuf>,
    /// Number of sample photos
    #[arg(long, default_value_t = dataset::COUNT)]
    pub count: usize,
    /// Write smaller pictures instead of copies: JPEGs whose longer side has at most this many pixels
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub transform: Option<u32>,
    /// Write the images without their metadata instead of copies
    #[arg(long, conflicts_with = "transform")]
    pub strip: bool,
    /// Leave the S3 server running afterwards, so that you can look at the results
    #[arg(long)]
    pub keep: bool,
    /// Run functions that are built without optimisation
    #[arg(skip)]
    pub dev: bool,
}

/// The result of a demo.
#[derive(Debug)]
pub struct Outcome {
    pub report: Report,
    pub checked: check::Checked,
}

/// Runs the demo for a person at a terminal.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let keep = options.keep;
    let demo = async {
        let server = Server::start(0).await?;
        let outcome = run_on(&server, options).await?;
        anyhow::Ok((server, outcome))
    };
    // On Ctrl-C the demo is dropped, which ends the server and the emulator.
    let (server, outcome) = tokio::select! {
        result = demo => result?,
        () = stop_requested() => {
            eprintln!("stopped");
            return Ok(ExitCode::FAILURE);
        }
    };
    report::print(&outcome);
    keep::keep(&server, &outcome.report)?;
    if keep {
        report::print_look_around(&server, &outcome);
        stop_requested().await;
    }
    let is_empty = Ending::of(&outcome.report) == Ending::Nothing;
    Ok(ExitCode::from(u8::from(is_empty || !outcome.checked.is_right())))
}

/// Runs the demo on a server: creates the buckets, uploads, runs the job and checks it.
pub async fn run_on(server: &Server, options: Options) -> anyhow::Result<Outcome> {
    let source: S3Uri = SOURCE.parse()?;
    let destination: Destination = DESTINATION.parse::<S3Uri>()?.into();
    server.store.create_bucket(source.bucket.as_str());
    server.store.create_bucket(destination.uri().bucket.as_str());
    let s3 = Client::new(&server.sdk().await);

    let profile = if options.dev { Profile::Dev } else { Profile::Release };
    let cargo_lambda = tools::cargo_lambda().await?;
    build_functions(profile).await?;

    let uploaded = upload(&s3, &source, &options).await?;
    // The functions' logs. The folder is deleted, unless the job could not be run.
    let scratch = tempfile::tempdir().context("no temporary folder could be created for the functions' logs")?;
    let processes = thread::available_parallelism().map_or(1, usize::from);
    println!("starting cargo lambda watch, with {processes} processes for each function, under the template's roles");
    let setup = Setup {
        cargo_lambda: &cargo_lambda,
        profile,
        processes,
        environment: &[],
        logs: scratch.path(),
    };
    let functions = setup.start(server, &PARAMETERS).await?;
    println!("invoking fanout, from {source} to {}", destination.uri());
    let wanted = match options.transform {
        Some(max_edge) => Wanted::Rendition(renditions::rendition(max_edge)),
        None if options.strip => Wanted::Stripped,
        None => Wanted::Copy,
    };
    let request = request(processes, &wanted);
    let result = watch::job(&s3, &client(&functions.fanout).await, &destination, JOB_ID, &request).await;
    drop(functions);
    let report = result.map_err(|error| {
        let kept = scratch.keep();
        error.context(format!("the functions' logs are in {}", kept.display()))
    })?;
    println!("comparing every object of {source} with {}", destination.uri());
    let mut checked = check::job(FinishedJob {
        s3: &s3,
        source: &source,
        destination: &destination,
        report: &report,
        wanted: &wanted,
    })
    .await?;
    if report.listed != uploaded as u64 {
        checked.wrong(format!(
            "{uploaded} objects were uploaded, but {} were listed",
            report.listed
        ));
    }
    if report.state != State::Completed {
        checked.wrong(format!(
            "the job should be completed, but is {:?}: {}",
            report.state,
            report.reason.as_deref().unwrap_or("no reason given")
        ));
    }
    Ok(Outcome { report, checked })
}

fn request(parallel: usize, wanted: &Wanted) -> Value {
    let mut request = json!({
        "source": SOURCE, "destination": DESTINATION, "job_id": JOB_ID, "parallel": parallel, "images": wanted.images(),
    });
    if let Wanted::Rendition(rendition) = wanted {
        request["transform"] = json!({"renditions": [rendition]});
    }
    request
}

async fn upload(s3: &Client, source: &S3Uri, options: &Options) -> anyhow::Result<usize> {
    let uploaded = if let Some(folder) = &options.images {
        ensure!(
            folder.is_dir(),
            "--images needs a folder, and {} is none; for one file, use `cargo local exif`",
            folder.display()
        );
        println!("uploading the images in {} to {source}", folder.display());
        upload::folder(s3, source, folder).await?
    } else {
        println!("making {} sample photos and uploading them to {source}", options.count);
        upload::samples(s3, source, options.count).await?
    };
    ensure!(uploaded > 0, "there are no files to process");
    Ok(uploaded)
}
