//! From one invocation of fanout to the next.

use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_s3::Client;
use lambda_runtime::tracing::info;
use serde::{Deserialize, Serialize};
use shared::destination::Destination;
use shared::failure::Failure;
use shared::job::{Report, State};
use shared::s3::Meter;
use shared::uri::S3Uri;
use tokio::time::{Instant, sleep, timeout};

use crate::App;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::start::{Invocation, take_over};

/// A job that needs more invocations than this, ten days of them, does not come forward.
const GENERATIONS: u32 = 1000;

/// How long Lambda may take to accept the next invocation.
const HANDOVER_ANSWER: Duration = Duration::from_secs(3);

/// What an invocation that goes on with a job is sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuation {
    pub destination: S3Uri,
    pub continue_job: String,
    pub generation: u32,
}

/// Starts the next invocation, trying again while there is time.
pub async fn hand_over(app: &App, s3: &Client, checkpoint: &Checkpoint, deadline: Instant) -> Result<(), String> {
    let generation = checkpoint.generation + 1;
    if generation > GENERATIONS {
        return Err(format!("the job is not done after {GENERATIONS} invocations of fanout"));
    }
    let payload = serde_json::to_vec(&Continuation {
        destination: checkpoint.destination.clone(),
        continue_job: checkpoint.job_id.clone(),
        generation,
    });
    let payload = Blob::new(payload.expect("a continuation is valid JSON"));
    let destination = Destination::from(checkpoint.destination.clone());
    let mut wait = Duration::from_millis(500);
    loop {
        let sent = app
            .lambda
            .invoke()
            .function_name(&app.config.function)
            .invocation_type(InvocationType::Event)
            .payload(payload.clone())
            .send();
        let problem = match timeout(HANDOVER_ANSWER, sent).await {
            Ok(Ok(_)) => {
                info!(
                    job_id = checkpoint.job_id,
                    generation, "the time is up; the next invocation goes on"
                );
                return Ok(());
            }
            Ok(Err(error)) => Failure::of(format_args!("invoking {}", app.config.function), &error).message,
            Err(_) => format!("invoking {}: no answer", app.config.function),
        };
        // The answer may be all that was lost.
        if let Ok((found, _)) = Checkpoint::load(s3, &destination, &checkpoint.job_id).await
            && found.generation >= generation
        {
            return Ok(());
        }
        if Instant::now() + wait + HANDOVER_ANSWER * 2 > deadline {
            return Err(format!(
                "the time was up, and the next invocation could not be started: {problem}"
            ));
        }
        sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
        wait *= 2;
    }
}

/// Goes on with a job that has been handed over.
pub async fn go_on(app: &App, continuation: Continuation, invocation: Invocation) -> Result<Report, Error> {
    let s3 = Meter::default().s3(&app.sdk);
    let destination = Destination::from(continuation.destination);
    let (checkpoint, etag) = Checkpoint::load(&s3, &destination, &continuation.continue_job).await?;
    // The event may come twice, or late.
    if checkpoint.generation + 1 != continuation.generation || checkpoint.state != State::Running {
        return Ok(checkpoint.report());
    }
    let job = checkpoint.request.validate(&continuation.continue_job)?;
    if checkpoint.is_leased() {
        return Ok(checkpoint.report());
    }
    take_over(app, &job, checkpoint, etag, &invocation).await
}
