//! Follows a job until it ends.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;
use shared::protocol::job::{Report, State};
use shared::report::text::visible;
use tokio::time::sleep;

use crate::bar::Bar;
use crate::target::Target;

/// How often the report is read. fanout writes it about once a second.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same on this machine.
const LOCAL_INTERVAL: Duration = Duration::from_millis(250);

/// A job that has no report after this time has not begun. Lambda sends an event that fails up to three times, within three
/// minutes and a little.
const PATIENCE: Duration = Duration::from_mins(5);

/// For so long, errors of S3 may come from a connection that is lost.
const MAX_OUTAGE: Duration = Duration::from_mins(5);

/// If the report stays the same for this long, fanout is asked, which also mends a report that is out of date.
const SILENCE: Duration = Duration::from_secs(90);

/// Shows a job until it ends. Counts move when a chunk ends, so they may stand still while a long one runs.
pub async fn until_ended(target: &Target, job_id: &str, bar: &Bar) -> anyhow::Result<Report> {
    let (started, mut changed, mut read) = (Instant::now(), Instant::now(), Instant::now());
    let mut last_ms = None;
    loop {
        let mut found = match target.report(job_id).await {
            Ok(found) => {
                read = Instant::now();
                found
            }
            Err(error) if read.elapsed() > MAX_OUTAGE || last_ms.is_none() => return Err(error),
            Err(error) => {
                bar.wait(&format!("the report cannot be read now: {error:#}"));
                None
            }
        };
        if last_ms.is_some() && changed.elapsed() > SILENCE {
            changed = Instant::now();
            bar.wait("no news for a while: asking fanout");
            let request = target.request(json!({"action": "status", "job_id": job_id}));
            found = target.ask(&request).await.ok().or(found);
        }
        match found {
            Some(report) if report.state != State::Running => {
                bar.clear();
                return Ok(report);
            }
            Some(report) => {
                if last_ms != Some(report.elapsed_ms) {
                    (last_ms, changed) = (Some(report.elapsed_ms), Instant::now());
                }
                match &report.reason {
                    Some(reason) => bar.wait(&visible(reason)),
                    None => bar.show(&report),
                }
            }
            None if last_ms.is_some() => {}
            None if started.elapsed() > PATIENCE => {
                bar.clear();
                bail!(
                    "job {} has not begun: there is no {}; the log of {} says why, and the stack's output FailedJobsQueue \
                     names the queue with its request",
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
