use std::fs;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use dialoguer::Confirm;
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};
use shared::report::page;
use shared::report::text::{count, dollars, visible};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::bar::Bar;
use crate::ending::Ending;
use crate::plan::{self, Plan};
use crate::settings::Settings;
use crate::summary::{next, summary};
use crate::target::{self, Target};
use crate::watch;

/// Plans, starts, watches and ends jobs.
///
/// Exit codes: 0 done, 1 error, 2 wrong option, 3 some images failed, 4 the job ended early, 5 there was nothing to process,
/// 6 the job still runs.
#[derive(Debug, Parser)]
#[command(name = "cargo job", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    target: target::Options,
    /// Print JSON instead of text, and no progress
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a job would do, how long it would take and what it would cost
    Plan(Settings),
    /// Start a job, after its plan was shown and confirmed
    Start(Start),
    /// Follow a job until it ends
    Watch(Job),
    /// Show how far a job is
    Status(Job),
    /// End a job early; what is in flight finishes first
    Stop(Job),
    /// Start a job over what another job has left: failed images, and images without an outcome
    Redrive(Redrive),
    /// Write the report of a job as a page for browsers
    Report(ReportOptions),
    /// Show the jobs of the destination
    List,
}

#[derive(Args, Debug)]
struct Start {
    #[command(flatten)]
    settings: Settings,
    /// Start without a question
    #[arg(long, short)]
    yes: bool,
    /// Start the job, and do not wait for its end
    #[arg(long)]
    no_watch: bool,
}

#[derive(Args, Debug)]
struct Job {
    /// The id of the job
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job_id: String,
}

#[derive(Args, Debug)]
struct Redrive {
    /// The id of the job that left images
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    parent: String,
    #[command(flatten)]
    settings: Settings,
    /// Start the job, and do not wait for its end
    #[arg(long)]
    no_watch: bool,
}

#[derive(Args, Debug)]
struct ReportOptions {
    /// The id of the job
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job_id: String,
    /// The file to write [default: report-JOB_ID.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a command.
pub async fn run(cli: Cli) -> anyhow::Result<Ending> {
    let target = cli.target.find().await?;
    let output = Output { json: cli.json };
    match cli.command {
        Command::Plan(settings) => {
            let plan = ask_for_plan(&target, &settings).await?;
            if output.json {
                println!("{plan:#}");
            } else {
                plan::print(&serde_json::from_value(plan)?);
            }
            Ok(Ending::Ok)
        }
        Command::Start(start) => start_job(&target, start, output).await,
        Command::Watch(Job { job_id }) => follow(&target, &job_id, output).await,
        Command::Status(Job { job_id }) => output.print(&target, &about(&target, "status", &job_id).await?),
        Command::Stop(Job { job_id }) => {
            output.print(&target, &about(&target, "stop", &job_id).await?)?;
            Ok(Ending::Ok)
        }
        Command::Redrive(redrive) => redrive_job(&target, redrive, output).await,
        Command::Report(options) => write_page(&target, options, output).await,
        Command::List => list(&target, output).await,
    }
}

#[derive(Clone, Copy)]
struct Output {
    json: bool,
}

impl Output {
    /// Prints a report.
    fn print(self, target: &Target, report: &Report) -> anyhow::Result<Ending> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
        } else {
            print!("{}{}", summary(report), next(report, &target.options));
        }
        Ok(Ending::of(report))
    }

    /// Prints the only thing that a command has to say.
    fn print_one(self, name: &str, value: &str) {
        if self.json {
            println!("{}", json!({name: value}));
        } else {
            println!("{value}");
        }
    }

    fn bar(self) -> Bar {
        if self.json { Bar::silent() } else { Bar::new() }
    }
}

/// Asks fanout something about a job.
async fn about(target: &Target, action: &str, job_id: &str) -> anyhow::Result<Report> {
    let request = target.request(json!({"action": action, "job_id": job_id}));
    target.ask(&request).await
}

async fn ask_for_plan(target: &Target, settings: &Settings) -> anyhow::Result<Value> {
    eprintln!(
        "asking {}: fanout lists the source, which takes some minutes if it has many millions of keys",
        target.place
    );
    let request = target.request(json!({"action": "plan"}));
    target.ask(&settings.request(&request)?).await
}

async fn start_job(target: &Target, start: Start, output: Output) -> anyhow::Result<Ending> {
    check_watch(target, start.no_watch)?;
    let response = ask_for_plan(target, &start.settings).await?;
    // An older fanout refuses a field that it does not know.
    let knows_plans = response.get("ignored_by").is_some();
    let plan: Plan = serde_json::from_value(response)?;
    if !output.json {
        plan::print(&plan);
    }
    let job_id = start.settings.job_id.clone().map_or_else(new_id, Ok)?;
    check_new(target, &job_id, &plan.source).await?;
    let question = format!(
        "Start the job with {} ({} images, about {})?",
        target.place,
        count(plan.images),
        dollars(plan.cost_usd.total)
    );
    if !start.yes && !confirmed(&question)? {
        bail!("nothing was started");
    }
    let mut request = start.settings.request(&target.request(json!({"job_id": job_id})))?;
    if knows_plans {
        request["planned"] = json!({"cost_usd": plan.cost_usd.total, "seconds": plan.seconds});
    }
    begin(target, &job_id, &request, start.no_watch, output).await
}

async fn redrive_job(target: &Target, redrive: Redrive, output: Output) -> anyhow::Result<Ending> {
    check_watch(target, redrive.no_watch)?;
    let parent = about(target, "status", &redrive.parent).await?;
    if parent.state == State::Running {
        bail!(
            "job {} still runs: wait until it ends, or stop it, before its images are processed again",
            visible(&parent.job_id)
        );
    }
    let job_id = redrive.settings.job_id.clone().map_or_else(new_id, Ok)?;
    check_new(target, &job_id, &parent.source.to_string()).await?;
    let fields = json!({"action": "redrive", "parent": redrive.parent, "job_id": job_id});
    let request = redrive.settings.request(&target.request(fields))?;
    begin(target, &job_id, &request, redrive.no_watch, output).await
}

fn check_watch(target: &Target, no_watch: bool) -> anyhow::Result<()> {
    if no_watch && target.is_local {
        bail!("--no-watch does not work with --local: the functions on this machine respond when the job has ended");
    }
    Ok(())
}

/// Checks that nothing has the id of a new job. A job that was interrupted may be started again.
async fn check_new(target: &Target, job_id: &str, source: &str) -> anyhow::Result<()> {
    let options = &target.options;
    match target.report(job_id).await? {
        Some(existing) if existing.state != State::Running => bail!(
            "job {} exists already, and has ended, so nothing was started: choose another --job-id, or see it with `cargo job \
             status {job_id}{options}`",
            visible(job_id)
        ),
        Some(existing) if existing.source.to_string() != source => bail!(
            "job {} exists already, for the source {}, so nothing was started: choose another --job-id",
            visible(job_id),
            visible(&existing.source.to_string())
        ),
        Some(_) => eprintln!(
            "job {} exists already, with the settings that it was started with, and goes on",
            visible(job_id)
        ),
        None => {}
    }
    Ok(())
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked, because the input is no terminal: add --yes to start without a question");
    }
    Ok(Confirm::new().with_prompt(question).default(false).interact()?)
}

/// A job id from the time. Two jobs may be started in the same second.
fn new_id() -> anyhow::Result<String> {
    let now = OffsetDateTime::from(SystemTime::now());
    let time = now.format(format_description!("[year][month][day]-[hour][minute][second]"))?;
    Ok(format!("job-{time}-{:04x}", fastrand::u16(..)))
}

/// Sends a request that starts a job, and follows the job.
async fn begin(
    target: &Target,
    job_id: &str,
    request: &Value,
    no_watch: bool,
    output: Output,
) -> anyhow::Result<Ending> {
    if target.is_local {
        // The functions on this machine respond when the job has ended.
        let (response, bar) = (target.ask::<Report>(request), output.bar());
        return tokio::select! {
            response = response => {
                bar.clear();
                output.print(target, &response?)
            }
            ended = watch::until_ended(target, job_id, &bar) => output.print(target, &ended?),
            interrupted = tokio::signal::ctrl_c() => left_running(target, job_id, interrupted),
        };
    }
    target.send(request).await?;
    if no_watch {
        output.print_one("job_id", job_id);
        eprintln!("sent; watch it with: cargo job watch {job_id}{}", target.options);
        return Ok(Ending::Ok);
    }
    follow(target, job_id, output).await
}

/// Shows a job until it ends. Ctrl-C leaves it running.
async fn follow(target: &Target, job_id: &str, output: Output) -> anyhow::Result<Ending> {
    let bar = output.bar();
    tokio::select! {
        ended = watch::until_ended(target, job_id, &bar) => output.print(target, &ended?),
        interrupted = tokio::signal::ctrl_c() => left_running(target, job_id, interrupted),
    }
}

fn left_running(target: &Target, job_id: &str, interrupted: std::io::Result<()>) -> anyhow::Result<Ending> {
    interrupted?;
    let options = &target.options;
    eprintln!("\nthe job goes on; come back with: cargo job watch {job_id}{options}");
    eprintln!("end it with: cargo job stop {job_id}{options}");
    Ok(Ending::Running)
}

async fn write_page(target: &Target, options: ReportOptions, output: Output) -> anyhow::Result<Ending> {
    let report = about(target, "status", &options.job_id).await?;
    let file = options
        .out
        .unwrap_or_else(|| PathBuf::from(format!("report-{}.html", options.job_id)));
    fs::write(&file, page(&report)).with_context(|| format!("{} cannot be written", file.display()))?;
    output.print_one("file", &file.display().to_string());
    if report.state != State::Running {
        eprintln!("fanout has written it to {}", target.destination.page(&options.job_id));
    }
    Ok(Ending::Ok)
}

async fn list(target: &Target, output: Output) -> anyhow::Result<Ending> {
    let mut reports = Vec::new();
    for job in target.jobs().await? {
        match target.report(&job).await {
            Ok(report) => reports.extend(report),
            Err(error) => eprintln!("{}: {error:#}", visible(&job)),
        }
    }
    if output.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
        return Ok(Ending::Ok);
    }
    if reports.is_empty() {
        eprintln!("there are no jobs in {}", target.destination.records_uri());
    }
    for report in reports {
        println!(
            "{:<24} {:<10} {:>12} ok {:>10} failed  {}",
            visible(&report.job_id),
            report.state.to_string(),
            count(report.ok),
            count(report.failed),
            visible(&report.source.to_string())
        );
    }
    Ok(Ending::Ok)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn all_commands_and_options_are_consistent() {
        Cli::command().debug_assert();
    }
}
