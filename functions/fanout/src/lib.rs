//! Fan-out: lists a source, plans chunks, invokes a processor for each, and accounts for every key.
//!
//! | module | what it does |
//! |---|---|
//! | [`request`] | what a user asks for, checked before anything is done |
//! | [`start`] | a job begins, or goes on after a kill, or is a redrive of another |
//! | [`hand_over`] | from one invocation of fanout to the next |
//! | [`status`] | asking a job how it is, or to stop |
//! | [`run`] | one invocation's part of a job: the modules below at once |
//! | [`source`] | listings, many ranges at a time, and manifests |
//! | [`plan`] | filters and chunks |
//! | [`dispatch`] | chunks on their way: waiting, written down, in flight |
//! | [`window`] | how many may be in flight |
//! | [`invoke`] | one attempt at a chunk: its answer, or its records adopted |
//! | [`settle`] | what becomes of the chunk then: counted, sent again, halved, failed |
//! | [`account`] | the job's counters, the files of failed keys and `job.json` |
//! | [`checkpoint`] | all of it written down, and who is at work |
//! | [`save`] | one write of all that |
//! | [`estimate`] | what a job would take: time, requests, cost |

mod account;
mod checkpoint;
mod config;
mod dispatch;
mod error;
mod estimate;
mod hand_over;
mod invoke;
mod plan;
mod request;
mod run;
mod save;
mod settle;
mod source;
mod start;
mod status;
mod window;

use aws_config::SdkConfig;
use serde::Serialize;
use serde_json::Value;
use shared::deadline;
use shared::job::Report;

pub use config::Config;
pub use error::Error;
pub use estimate::Estimate;
pub use invoke::invoke_client;
pub use request::{Action, Request};
use start::Invocation;

/// Built once, at cold start.
pub struct App {
    pub config: Config,
    pub sdk: SdkConfig,
    pub lambda: aws_sdk_lambda::Client,
}

/// What an invocation answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Report(Box<Report>),
    Estimate(Box<Estimate>),
}

/// Handles one invocation. `deadline_ms` is since 1970, as Lambda gives it.
pub async fn handle(app: &App, request: Value, request_id: &str, deadline_ms: u64) -> Result<Answer, Error> {
    let invocation = Invocation {
        // Lambda may deliver one event twice.
        id: format!("{request_id}-{:08x}", fastrand::u32(..)),
        deadline: deadline::of(deadline_ms, app.config.timeout),
    };
    if request.get("continue_job").is_some() {
        let continuation = serde_path_to_error::deserialize(request).map_err(|error| {
            let field = error.path().to_string();
            Error::bad(&field, error.inner())
        })?;
        return hand_over::go_on(app, continuation, invocation).await.map(report);
    }
    let given = Request::parse(request)?;
    let filled = given.clone().or(&app.config.defaults);
    let named = Request {
        job_id: filled.job_id.clone().or_else(|| Some(request_id.to_owned())),
        ..filled.clone()
    };
    match filled.action.unwrap_or_default() {
        Action::Run => start::run(app, named, invocation).await.map(report),
        Action::Plan => estimate::plan(app, &named, &invocation)
            .await
            .map(|estimate| Answer::Estimate(Box::new(estimate))),
        Action::Status => status::status(app, &filled).await.map(report),
        Action::Stop => status::stop(app, &filled, invocation).await.map(report),
        Action::Redrive => start::redrive(app, given, request_id, invocation).await.map(report),
    }
}

fn report(report: Report) -> Answer {
    Answer::Report(Box::new(report))
}
