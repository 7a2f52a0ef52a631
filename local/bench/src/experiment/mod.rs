//! The guide's experiment and the measurements around it: four parts that share one report.
//!
//! | module | content |
//! |---|---|
//! | [`guide`], [`peers`], [`pipelines`], [`cold`] | the four parts |
//! | [`case`], [`run`] | a row to measure, and the results of its runs |
//! | [`program`], [`launch`] | the measured programs, and how one is run |
//! | [`functions`], [`rust_peers`] | our functions and peers in Rust, as processes |
//! | [`server`], [`outputs`] | the S3 server, and the check of the outputs |
//! | [`report`], [`goals`], [`tables`], [`charts`] | the latest results as data, goals, tables and charts |

mod case;
mod charts;
mod cold;
mod functions;
mod goals;
mod guide;
mod launch;
mod outputs;
mod peers;
mod pipelines;
mod program;
mod report;
mod run;
mod rust_peers;
mod server;
mod tables;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use indicatif::{HumanDuration, ProgressBar};

use crate::{photos, python};
use case::Case;
pub use program::{Load, ONE_VCPU_MB, TWO_VCPUS_MB};
pub use report::Part;
use report::{Origin, Report, Section};
use run::Row;
pub use rust_peers::{Options as RustPeerOptions, run as rust_peer};
pub use server::{Options as ServerOptions, Server, serve};

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Measure fewer images and runs; all parts together take about 5 minutes
    #[arg(long, global = true)]
    quick: bool,
    /// Measure only rows whose name has this text, such as "fanout"; the report stays as it is
    #[arg(long, global = true, value_name = "TEXT")]
    only: Option<String>,
}

/// About how long it takes to measure cold starts.
const COLD_TIME: Duration = Duration::from_secs(5);

/// What a part measures.
enum Plan {
    Guide(guide::Cases),
    Peers(Vec<Case>),
    Pipelines(Vec<Case>),
    Cold,
}

impl Plan {
    fn of(part: Part, quick: bool) -> anyhow::Result<Self> {
        Ok(match part {
            Part::Guide => Self::Guide(guide::Cases::new(quick)?),
            Part::Peers => Self::Peers(peers::cases(&photos::of_the_guide()?, quick)),
            Part::Pipelines => Self::Pipelines(pipelines::cases(quick)?),
            Part::Cold => Self::Cold,
        })
    }

    /// The rows that are measured with S3.
    fn cases(&self) -> Vec<&Case> {
        match self {
            Self::Guide(cases) => cases.all().collect(),
            Self::Peers(cases) | Self::Pipelines(cases) => cases.iter().collect(),
            Self::Cold => Vec::new(),
        }
    }

    /// About how long it takes.
    fn time(&self) -> Duration {
        match self {
            Self::Guide(cases) => cases.time(),
            Self::Peers(cases) | Self::Pipelines(cases) => case::time(cases),
            Self::Cold => COLD_TIME,
        }
    }

    async fn measure(
        &self,
        options: &Options,
        progress: &ProgressBar,
        origin: Origin,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        match self {
            Self::Guide(cases) => {
                let measured = cases.measure(options.quick, progress).await?;
                report.guide = Some(Section { origin, measured });
            }
            Self::Peers(cases) => {
                let measured = case::measure(cases, progress).await?;
                report.peers = Some(Section { origin, measured });
            }
            Self::Pipelines(cases) => {
                let measured = case::measure(cases, progress).await?;
                report.pipelines = Some(Section { origin, measured });
            }
            Self::Cold => {
                progress.set_message("cold starts");
                let measured = cold::measure(options.quick).await?;
                progress.inc(case::steps(COLD_TIME));
                report.cold = Some(Section { origin, measured });
            }
        }
        Ok(())
    }
}

/// Measures parts, prints their tables, and writes them into the report.
pub async fn run(parts: &[Part], options: Options) -> anyhow::Result<ExitCode> {
    if parts.iter().any(|part| matches!(part, Part::Guide | Part::Peers)) {
        python::install().await?;
    }
    let plans: Vec<Plan> = parts
        .iter()
        .map(|&part| Plan::of(part, options.quick))
        .collect::<Result<_, _>>()?;
    if let Some(text) = &options.only {
        return only(&plans, text).await;
    }
    let time = plans.iter().map(Plan::time).sum();
    println!("this benchmark takes about {}", HumanDuration(time));
    let command = match parts {
        [part] => format!("cargo local bench {}", part.name()),
        _ => "cargo local bench".to_owned(),
    };
    let command = if options.quick { command + " --quick" } else { command };
    let progress = case::progress(time)?;
    let mut report = Report::load()?;
    for (plan, part) in plans.iter().zip(parts) {
        progress.suspend(|| println!("{}:", part.name()));
        let origin = Origin::of(command.clone());
        plan.measure(&options, &progress, origin, &mut report).await?;
        save(&report)?;
    }
    progress.finish_and_clear();
    println!("\n{}", tables::markdown(&report, parts));
    println!("The whole report, with charts, is in {}.", report::folder().display());
    let is_right = parts.iter().all(|&part| report.is_right(part));
    if !is_right {
        eprintln!("Some outputs are wrong: see the column \"correct\".");
    }
    Ok(ExitCode::from(u8::from(!is_right)))
}

/// Measures the rows whose name has a text, and prints them.
async fn only(plans: &[Plan], text: &str) -> anyhow::Result<ExitCode> {
    let cases = plans
        .iter()
        .flat_map(Plan::cases)
        .filter(|case| case.label().contains(text));
    let cases: Vec<Case> = cases.cloned().collect();
    ensure!(!cases.is_empty(), "no row has \"{text}\" in its name");
    let progress = case::progress(case::time(&cases))?;
    let rows = case::measure(&cases, &progress).await?;
    progress.finish_and_clear();
    println!("{}", tables::strategies(&rows));
    Ok(ExitCode::from(u8::from(!rows.iter().all(Row::is_right))))
}

/// Writes the report as data, tables and charts.
fn save(report: &Report) -> anyhow::Result<()> {
    report.save()?;
    let folder = report::folder();
    std::fs::write(folder.join("report.md"), tables::markdown(report, &Part::ALL))?;
    charts::draw(report, &folder)
}
