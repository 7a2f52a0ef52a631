//! Lets a processor measure a sample. It writes nothing.

use std::time::Duration;

use shared::object::ObjectRef;
use shared::protocol::sample::{SampleRequest, SampleResponse};
use tokio::time::Instant;

use crate::attempt::{AttemptResult, GivenUp, NoResponse, call, chunk_request, payload};
use crate::chunk::Tries;
use crate::engine::retry_policy::{Decision, Situation, decide};
use crate::job::Job;
use crate::session::Session;

/// The most time that a sample may take, with all retries.
pub const TIME_TO_MEASURE: Duration = Duration::from_secs(60);

/// Lets a processor measure some images of a job until a given time. Retries as for a chunk. An error says in one clause
/// why there is no measurement.
pub async fn measure(
    session: &Session<'_>,
    job: &Job,
    objects: Vec<ObjectRef>,
    until: Instant,
) -> Result<SampleResponse, String> {
    if session.clock().now() >= until {
        return Err("the time of fanout is up".to_owned());
    }
    if objects.is_empty() {
        return Err("there is no image to measure".to_owned());
    }
    let count = objects.len();
    let request = SampleRequest {
        plan: chunk_request(job, objects, job.max_requests_per_second),
    };
    let response = response(session, job, &request, until).await?;
    if response.finished() + response.unprocessed != count as u64 {
        return Err(format!(
            "the processor's response is not valid: {response:?} is about another sample"
        ));
    }
    if response.finished() == 0 {
        return Err(format!("the processor had no time for any of {count} images"));
    }
    if response.images == 0 {
        let classes = response.failed.iter().map(|(class, count)| format!("{class}: {count}"));
        let classes: Vec<String> = classes.collect();
        return Err(format!("all images of the sample failed ({})", classes.join(", ")));
    }
    Ok(response)
}

async fn response(
    session: &Session<'_>,
    job: &Job,
    request: &SampleRequest,
    until: Instant,
) -> Result<SampleResponse, String> {
    let (clock, processor) = (session.clock(), &session.app.config.processor);
    let count = request.plan.objects.len();
    let payload = payload(request);
    let mut tries = Tries::default();
    let mut last_error = String::new();
    loop {
        let late = || format!("{processor} did not respond in time{last_error}");
        if clock.now() >= until {
            return Err(late());
        }
        let called = tokio::select! {
            biased;
            called = call(&session.app.lambda, processor, payload.clone()) => called,
            () = clock.sleep_until(until) => return Err(late()),
        };
        let result = match called {
            Ok(payload) => {
                return serde_json::from_slice(&payload)
                    .map_err(|error| format!("the processor's response is not valid: {error}"));
            }
            Err(NoResponse::Throttled(error)) => AttemptResult::Throttled(error),
            Err(NoResponse::Rejected(error)) => return Err(error),
            Err(NoResponse::Lost(loss)) => loss.into_result(GivenUp::default()),
        };
        let situation = Situation {
            tries,
            sent: count,
            remaining: count,
            lost_in_a_row: 1,
            parallel: job.parallel,
        };
        let error = result.error().unwrap_or_default();
        let Decision::Retry {
            after_at_most,
            tries: next,
        } = decide(&result, situation)
        else {
            return Err(error.to_owned());
        };
        last_error = format!("; the last error: {error}");
        tries = next;
        clock
            .sleep_until(until.min(clock.now() + after_at_most.mul_f64(fastrand::f64())))
            .await;
    }
}
