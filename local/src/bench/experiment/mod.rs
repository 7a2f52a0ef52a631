//! The guide's experiment, and what surrounds it: four parts that share one report.

mod case;
mod charts;
mod client;
mod cold;
mod goals;
mod guide;
mod parsing;
mod peers;
mod photos;
mod pipelines;
mod program;
mod python;
mod report;
mod run;
mod server;
mod tables;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanDuration, ProgressBar};

use case::Case;
pub use client::{Options as ClientOptions, run as client};
use guide::Pace;
use report::Report;
pub use server::{Options as ServerOptions, serve};

#[derive(Args, Clone, Copy, Debug)]
pub struct Options {
    /// Fewer images and runs: all parts in some 3 minutes
    #[arg(long, global = true)]
    quick: bool,
}

/// The parts of the report, each of which can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Guide,
    Peers,
    Pipelines,
    Cold,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Guide, Self::Peers, Self::Pipelines, Self::Cold];

    fn name(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Peers => "peers",
            Self::Pipelines => "pipelines",
            Self::Cold => "cold",
        }
    }
}

/// About what reading EXIF in memory and cold starts take.
const PARSING: Duration = Duration::from_secs(10);
const COLD: Duration = Duration::from_secs(5);

/// What a part is to measure.
struct Plan {
    part: Part,
    /// In groups that share a table.
    groups: Vec<Vec<Case>>,
    time: Duration,
}

impl Plan {
    fn of(part: Part, quick: bool) -> anyhow::Result<Self> {
        let (groups, more) = match part {
            Part::Guide => {
                let folder = photos::of_the_guide()?;
                let groups = Pace::ALL.map(|pace| guide::cases(pace, &folder, quick));
                (groups.into(), PARSING)
            }
            Part::Peers => (vec![peers::cases(&photos::of_the_guide()?, quick)], Duration::ZERO),
            Part::Pipelines => (vec![pipelines::cases(quick)?], Duration::ZERO),
            Part::Cold => (Vec::new(), COLD),
        };
        Ok(Self {
            part,
            time: more + groups.iter().map(|cases| case::time(cases)).sum::<Duration>(),
            groups,
        })
    }
}

/// Measures some parts, shows them, and writes them into the report.
pub async fn run(parts: &[Part], options: Options) -> anyhow::Result<ExitCode> {
    if parts.iter().any(|part| matches!(part, Part::Guide | Part::Peers)) {
        python::install().await?;
    }
    let plans: Vec<Plan> = parts
        .iter()
        .map(|&part| Plan::of(part, options.quick))
        .collect::<Result<_, _>>()?;
    let time = plans.iter().map(|plan| plan.time).sum();
    println!("this takes about {}", HumanDuration(time));
    let progress = case::progress(time)?;
    let mut report = Report::load()?;
    for plan in &plans {
        progress.suspend(|| println!("{}:", plan.part.name()));
        let command = match parts {
            [part] => format!("cargo local bench {}", part.name()),
            _ => "cargo local bench".to_owned(),
        };
        let command = if options.quick { command + " --quick" } else { command };
        measure(plan, options.quick, &progress, &command, &mut report).await?;
        report.save()?;
    }
    progress.finish_and_clear();
    println!("\n{}", tables::markdown(&report, parts));
    println!("the whole report, with its charts: {}", report::folder().display());
    let is_right = parts.iter().all(|&part| report.is_right(part));
    if !is_right {
        eprintln!("some outputs were not right");
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(
    plan: &Plan,
    quick: bool,
    progress: &ProgressBar,
    command: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut groups = Vec::new();
    for cases in &plan.groups {
        groups.push(case::measure(cases, progress).await?);
    }
    let mut groups = groups.into_iter();
    let mut next = || groups.next().unwrap_or_default();
    match plan.part {
        Part::Guide => {
            let (serial_total, stated_latencies) = (next(), next());
            progress.set_message("EXIF alone");
            let parsing = parsing::measure(&photos::of_the_guide()?, quick).await?;
            progress.inc(case::steps(PARSING));
            let guide = report::Guide {
                serial_total,
                stated_latencies,
                parsing,
            };
            report.guide = Some(report::Section::new(command, guide));
        }
        Part::Peers => report.peers = Some(report::Section::new(command, next())),
        Part::Pipelines => report.pipelines = Some(report::Section::new(command, next())),
        Part::Cold => {
            progress.set_message("cold starts");
            let cold = cold::measure(quick).await?;
            progress.inc(case::steps(COLD));
            report.cold = Some(report::Section::new(command, cold));
        }
    }
    Ok(())
}
