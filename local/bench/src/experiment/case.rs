//! The cases: what to measure, and how it is measured.

use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::launch;
use super::program::{Concurrency, Load, Processors, Program};
use super::run::Row;

/// One row to measure.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub setting: String,
    pub program: Program,
    pub load: Load,
    pub runs: usize,
}

impl Case {
    pub fn label(&self) -> String {
        format!("{}, {}", self.name, self.setting)
    }

    /// About how long one run takes: the start of its server, the waits for S3, the CPU time, and the check.
    fn time(&self) -> Duration {
        let Load { images, latency, .. } = &self.load;
        let in_flight = match self.program {
            // The processor soon raises its images in flight.
            Program::Processors(Processors {
                concurrency: Concurrency::From(start),
                ..
            }) => start * 4,
            program => program.in_flight(),
        };
        let waits = (latency.get + latency.put).div_f64(in_flight as f64);
        let start = Duration::from_millis(500);
        start
            + (waits + self.program.cpu_time() + self.load.picture_time()).mul_f64(*images as f64)
            + latency.get
            + latency.list * 20
    }
}

pub fn time<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Duration {
    let of = |case: &Case| case.time().mul_f64(case.runs as f64);
    cases.into_iter().map(of).sum()
}

/// A progress bar for work that takes about `time`.
pub fn progress(time: Duration) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:40} {elapsed}, {eta} left  {msg}")?;
    let progress = ProgressBar::new(steps(time)).with_style(style);
    progress.enable_steady_tick(Duration::from_millis(200));
    Ok(progress)
}

/// The steps of the progress bar that a piece of work stands for.
pub fn steps(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Runs all cases one after another, and then all of them again, so that a disturbance never hits all runs of one row.
/// Prints a line for each run.
pub async fn measure(cases: &[Case], progress: &ProgressBar) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> = cases
        .iter()
        .map(|case| Row {
            name: case.name.clone(),
            setting: case.setting.clone(),
            in_flight: case.program.in_flight().min(case.load.images),
            function_mb: case.program.memory_mb(),
            over_tls: case.load.over_tls,
            runs: Vec::new(),
        })
        .collect();
    for round in 0..cases.iter().map(|case| case.runs).max().unwrap_or_default() {
        for (case, row) in cases.iter().zip(&mut rows) {
            if round >= case.runs {
                continue;
            }
            let what = case.label();
            progress.set_message(what.clone());
            let run = launch::run(case.program, &case.load)
                .await
                .with_context(|| what.clone())?;
            progress.suspend(|| {
                println!(
                    "  {what}: {:.0} images/s, {:.3} ms of CPU per image",
                    run.images_per_second(),
                    run.cpu_ms()
                );
            });
            row.runs.push(run);
            progress.inc(steps(case.time()));
        }
    }
    Ok(rows)
}
