//! Fan-out: lists a source, plans chunks, invokes a processor for each, and accounts for every key.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | what the environment says |
//! | [`request`] | what a user asks for: each field, declared once |
//! | [`job`] | a request that has been checked |
//! | [`actions`] | what fanout can be asked for, one file each |
//! | [`session`] | one invocation of fanout: begins a job, takes it over, works on it, hands it over |
//! | [`engine`] | the job event loop: planning, dispatch, retries, windows |
//! | [`source`] | listings, many ranges at a time, and manifests |
//! | [`chunk`] | a chunk of objects, and an attempt at it |
//! | [`attempt`] | one attempt: sent, and given up if it is lost |
//! | [`store`] | checkpoint, failed keys and report of a job |
//! | [`estimate`] | what a job would take: limits and cost |
//! | [`error`] | why there is no response |

mod actions;
mod attempt;
mod chunk;
mod config;
mod engine;
mod error;
mod estimate;
mod job;
mod request;
mod session;
mod source;
mod store;

use aws_config::SdkConfig;
use serde::Serialize;
use serde_json::Value;
use shared::clock::Clock;
use shared::protocol::job::Report;

pub use attempt::invoke_client;
pub use config::Config;
pub use error::Error;
pub use estimate::Estimate;
pub use request::{Action, Request};
use session::Session;

/// Built once, at cold start.
pub struct App {
    pub config: Config,
    pub sdk: SdkConfig,
    pub lambda: aws_sdk_lambda::Client,
    /// What deadlines, leases and time-outs are judged by.
    pub clock: Clock,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    Report(Box<Report>),
    Estimate(Box<Estimate>),
}

/// Handles one invocation. `deadline_ms` is since 1970, as Lambda gives it.
pub async fn handle(app: &App, request: Value, request_id: &str, deadline_ms: u64) -> Result<Response, Error> {
    let session = Session::new(app, request_id, deadline_ms);
    if actions::continuation::is_continuation(&request) {
        return actions::continuation::go_on(&session, request).await.map(report);
    }
    let given = Request::parse(request)?;
    let filled = given.clone().or(&app.config.defaults);
    let named = Request {
        job_id: filled.job_id.clone().or_else(|| Some(request_id.to_owned())),
        ..filled.clone()
    };
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
