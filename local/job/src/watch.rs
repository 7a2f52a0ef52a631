//! Follows a job until it ends.

use std::time::{Duration, Instant};

use anyhow::bail;
use shared::protocol::job::{Report, State};
use shared::report::text::visible;
use tokio::time::sleep;

use crate::bar::Bar;
use crate::target::Target;

/// How often the report is read. fanout writes it about once a second.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same on this machine.
const LOCAL_INTERVAL: Duration = Duration::from_millis(250);

/// A job that has no report after this time has not begun.
const PATIENCE: Duration = Duration::from_mins(2);

/// A job whose report stays the same for this long may have lost its fanout.
const SILENCE: Duration = Duration::from_secs(90);

/// Shows a job until it ends. Counts move when a chunk ends, so they may stand still while a long one runs.
pub async fn until_ended(target: &Target, job_id: &str) -> anyhow::Result<Report> {
    let bar = Bar::new();
    let (started, mut changed) = (Instant::now(), Instant::now());
    let mut last: Option<Report> = None;
    loop {
        let found = target.report(job_id).await?;
        match found {
            Some(report) if report.state != State::Running => {
                bar.clear();
                return Ok(report);
            }
            Some(report) => {
                if last.as_ref().is_none_or(|last| last.elapsed_ms != report.elapsed_ms) {
                    changed = Instant::now();
                }
                if changed.elapsed() > SILENCE {
                    bar.wait(&silence(target, changed.elapsed()));
                } else {
                    bar.show(&report);
                }
                last = Some(report);
            }
            None if started.elapsed() > PATIENCE => {
                bar.clear();
                bail!(
                    "job {} has not begun: there is no {}; see the log of {}, and the queue of failed jobs, which the \
                     stack's output FailedJobsQueue names",
                    visible(job_id),
                    target.destination.job(job_id),
                    target.function
                );
            }
            None => bar.wait("waiting for the first report"),
        }
        sleep(if target.is_local { LOCAL_INTERVAL } else { INTERVAL }).await;
    }
}

fn silence(target: &Target, since: Duration) -> String {
    let after = if target.is_local {
        "if its fanout has died, start the job again with the same job id"
    } else {
        "if its fanout has died, Lambda goes on within three minutes"
    };
    format!("no news for {} s: {after}", since.as_secs())
}
