//! Runs jobs: lists a source, invokes a processor for each chunk of keys, and counts the outcome of every key.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings from environment variables |
//! | [`request`] | the request of a user: each field is declared once |
//! | [`assumptions`] | what the user knows about the place where a job would run |
//! | [`job`] | a checked request |
//! | [`actions`] | the actions of a request, one file each |
//! | [`session`] | one invocation of fanout: it begins a job or takes it over, works on it, and hands it over |
//! | [`engine`] | the event loop of a job: planning, dispatch, retries and the window |
//! | [`source`] | listings of many key ranges at the same time, and manifests |
//! | [`sample`] | a few images that a processor measures for a plan |
//! | [`chunk`] | a chunk of objects, and an attempt in flight |
//! | [`attempt`] | sends an attempt, and gives it up if it is lost |
//! | [`store`] | the checkpoint, the failed keys and the report of a job |
//! | [`estimate`] | estimates the time and cost of a job |
//! | [`error`] | the errors of an invocation |

mod actions;
mod assumptions;
mod attempt;
mod chunk;
mod config;
mod engine;
mod error;
mod estimate;
mod job;
mod request;
mod sample;
mod session;
mod source;
mod store;

use aws_config::SdkConfig;
use lambda_runtime::tracing::error;
use serde::Serialize;
use serde_json::Value;
use shared::clock::Clock;
use shared::logs;
use shared::protocol::job::Report;

pub use attempt::{invoke_client, invoke_client_over};
pub use config::{Config, RestartConfig};
pub use error::Error;
pub use estimate::Estimate;
pub use request::{Action, Request};
pub use session::Invocation;
use session::Session;

/// What all invocations share. It is built once, at cold start.
pub struct App {
    pub config: Config,
    pub sdk: SdkConfig,
    pub lambda: aws_sdk_lambda::Client,
    pub scheduler: aws_sdk_scheduler::Client,
    /// The clock for deadlines, leases and time-outs.
    pub clock: Clock,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    Report(Box<Report>),
    Estimate(Box<Estimate>),
}

/// Handles one invocation.
pub async fn handle(app: &App, request: Value, invocation: &Invocation) -> Result<Response, Error> {
    // On the heap, because the future is large.
    Box::pin(respond(app, request, invocation))
        .await
        .inspect_err(|error| error!(error = logs::shortened(&error.to_string()), "the invocation failed"))
}

async fn respond(app: &App, request: Value, invocation: &Invocation) -> Result<Response, Error> {
    let session = Session::new(app, invocation);
    let request_id = &invocation.request_id;
    if actions::continuation::is_continuation(&request) {
        return actions::continuation::continue_job(&session, request).await.map(report);
    }
    let given = Request::parse(request)?;
    let filled = given.clone().or(&app.config.defaults);
    let named = Request {
        job_id: filled.job_id.clone().or_else(|| Some(request_id.clone())),
        ..filled.clone()
    };
    if let Some(job_id) = &named.job_id {
        logs::belongs_to_job(job_id);
    }
    match filled.action() {
        Action::Run => actions::run::run(&session, named).await.map(report),
        Action::Plan => actions::plan::plan(&session, &named)
            .await
            .map(|estimate| Response::Estimate(Box::new(estimate))),
        Action::Status => actions::status::status(&session, &filled).await.map(report),
        Action::Stop => actions::stop::stop(&session, &filled).await.map(report),
        Action::Redrive => actions::redrive::redrive(&session, given, request_id).await.map(report),
    }
}

fn report(report: Report) -> Response {
    Response::Report(Box::new(report))
}
