//! Jobs whose fanout is killed.
//!
//! | module | content |
//! |---|---|
//! | [`resumed`] | a job that somebody starts again |
//! | [`unattended`] | a job that nobody starts again |
//! | [`job`] | the job: its source, its request, its processors, and a check of what it wrote |

mod job;
mod resumed;
mod unattended;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures::{StreamExt, stream};
use local::dataset;
use local::terminal::bar;
use shared::protocol::job::Report;

use resumed::kill_and_resume;
use unattended::kill_and_wait;

#[derive(Args, Debug)]
pub struct Options {
    /// Number of jobs
    #[arg(long, default_value_t = 50)]
    jobs: u64,
    /// Seed of the first job; each further job has the next number
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of images in each job
    #[arg(long, default_value_t = 2_000)]
    images: usize,
    /// How often fanout is killed in each job
    #[arg(long, default_value_t = 4)]
    kills: u32,
    /// Number of further jobs that nobody starts again: only Lambda's retries and the job's schedule do
    #[arg(long, default_value_t = 20)]
    unattended: u64,
}

/// Jobs that run at the same time. They mostly wait.
const MAX_JOBS_IN_FLIGHT: usize = 4;

/// The time of an invocation of fanout, as long as fanout is killed again and again. It is short, so many jobs are handed
/// over.
const LIFETIME: Duration = Duration::from_secs(3);

/// The time of an invocation after the last kill. It is long, so a job ends on a slow machine, too: what is in flight at
/// a hand-over is sent again.
const LAST_LIFETIME: Duration = Duration::from_mins(2);

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "{} jobs of {} images. In each job, fanout is killed (SIGKILL) up to {} times at random moments and started \
         again. Of {} further jobs, only the stand-ins for Lambda's retries and EventBridge Scheduler start fanout again. \
         Meanwhile Lambda throttles, fails, loses responses and responds late. Both functions are real; the clock of S3 \
         skips the time until the next start.",
        options.jobs, options.images, options.kills, options.unattended
    );
    let photos: Arc<Vec<Vec<u8>>> = Arc::new((0..20).map(dataset::photo).collect::<Result<_, _>>()?);
    let all = options.jobs + options.unattended;
    let progress = bar(usize::try_from(all)?, "jobs");
    let mut results = stream::iter(options.seed..options.seed + all)
        .map(|seed| {
            let (photos, options, progress) = (photos.clone(), &options, progress.clone());
            async move {
                let result = if seed < options.seed + options.jobs {
                    kill_and_resume(seed, options, &photos).await
                } else {
                    kill_and_wait(seed, options, &photos).await
                };
                progress.inc(1);
                result.with_context(|| format!("seed {seed}"))
            }
        })
        .buffer_unordered(MAX_JOBS_IN_FLIGHT);
    let (mut kills, mut invocations, mut generations, mut wrong) = (0, 0, 0, 0);
    let mut longest = Duration::ZERO;
    while let Some(result) = results.next().await {
        match result {
            Ok(Killed {
                report,
                kills: more,
                dead,
            }) => {
                kills += more;
                longest = longest.max(dead);
                invocations += report.invocations;
                generations += report.generation;
            }
            Err(error) => {
                wrong += 1;
                // `ProgressBar::println` writes nothing where there is no terminal.
                progress.suspend(|| eprintln!("{error:#}"));
            }
        }
    }
    progress.finish_and_clear();
    println!(
        "{all} jobs, {kills} kills, {generations} generations of fanout, {invocations} invocations of the processor; of \
         the jobs that nobody started again, the longest stood still for {} s: {}",
        longest.as_secs(),
        if wrong == 0 {
            "each key was counted once".to_owned()
        } else {
            format!("{wrong} jobs are WRONG")
        }
    );
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

struct Killed {
    report: Report,
    kills: u32,
    /// The longest time from a kill until another invocation worked on the job, if nobody started it again.
    dead: Duration,
}
