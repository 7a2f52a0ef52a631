//! Asking a job how it is, or to stop.

use std::time::Duration;

use aws_sdk_s3::Client;
use shared::failure::{Class, Failure};
use shared::job::{Report, State};
use shared::s3::{self, Meter, ObjectId};
use tokio::time::sleep;

use crate::App;
use crate::checkpoint::{Checkpoint, Saved};
use crate::error::Error;
use crate::request::Request;
use crate::save::save_report;
use crate::start::{Invocation, take_over};

/// Attempts at putting the wish to stop into a checkpoint that is written all the time.
const STOPS: u32 = 100;

/// What is said of a job that has been asked to stop, and has not.
const STOPPING: &str = "asked to stop; what is in flight ends first";

/// Asks a job to end early; of a job that nobody is at work on, ends it.
pub async fn stop(app: &App, request: &Request, invocation: Invocation) -> Result<Report, Error> {
    let s3 = Meter::default().s3(&app.sdk);
    let (destination, job_id) = (request.destination()?, request.named_job("job_id")?);
    for _ in 0..STOPS {
        let (mut checkpoint, mut etag) = Checkpoint::load(&s3, &destination, &job_id).await?;
        if checkpoint.state != State::Running {
            return ended(&s3, &checkpoint).await;
        }
        let is_leased = checkpoint.is_leased();
        if !checkpoint.stop {
            // First of all, so that whoever goes on with it meanwhile knows.
            checkpoint.stop = true;
            let saved = checkpoint.save(&s3, &destination, Some(&etag)).await;
            match saved.map_err(Error::Destination)? {
                Saved::Done(written) | Saved::Stop(written) => etag = written,
                Saved::Lost => {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
            }
        }
        if is_leased {
            let mut report = checkpoint.report();
            report.reason = Some(STOPPING.to_owned());
            return Ok(report);
        }
        let job = checkpoint.request.validate(&job_id)?;
        return take_over(app, &job, checkpoint, etag, &invocation).await;
    }
    let busy = "its checkpoint changes too often to ask it to stop; ask again";
    Err(Error::Destination(Failure::new(Class::Internal, busy)))
}

/// How a job is.
pub async fn status(app: &App, request: &Request) -> Result<Report, Error> {
    let s3 = Meter::default().s3(&app.sdk);
    let (destination, job_id) = (request.destination()?, request.named_job("job_id")?);
    let (checkpoint, _) = Checkpoint::load(&s3, &destination, &job_id).await?;
    if checkpoint.state != State::Running {
        return ended(&s3, &checkpoint).await;
    }
    let file = ObjectId::any(&destination.bucket, destination.job(&job_id));
    let mut report = match s3::get(&s3, &file, None).await {
        Ok((_, body)) => serde_json::from_slice(&body).map_err(|error| Error::Checkpoint {
            uri: format!("s3://{}/{}", file.bucket, file.key),
            problem: error.to_string(),
        })?,
        // It is written right behind the checkpoint.
        Err(failure) if failure.class == Class::NotFound => checkpoint.report(),
        Err(failure) => return Err(Error::Destination(failure)),
    };
    if !checkpoint.is_leased() {
        let problem = "nobody is at work on it: the next invocation is on its way, or the last one was killed; if \
                       this lasts, send the request that started it again";
        report.reason = Some(problem.to_owned());
    } else if checkpoint.stop {
        report.reason = Some(STOPPING.to_owned());
    }
    Ok(report)
}

/// The report of a job that has ended. `job.json` is written again: a kill right behind the last checkpoint
/// leaves the one before.
pub async fn ended(s3: &Client, checkpoint: &Checkpoint) -> Result<Report, Error> {
    let report = checkpoint.report();
    save_report(s3, &report).await.map_err(Error::Destination)?;
    Ok(report)
}
