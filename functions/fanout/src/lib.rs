//! Fan-out: lists a source, plans chunks, invokes a processor for each, and accounts for every key.
//!
//! | module | what it does |
//! |---|---|
//! | [`request`] | what a user asks for, checked before anything is done |
//! | [`list`] | the source, page by page, keys decoded |
//! | [`plan`] | filters and chunks |
//! | [`invoke`] | one chunk to a processor, retried, given up or adopted until its keys are settled |
//! | [`account`] | the job's counters, `job.json` and the files of failed keys |
//! | [`run`] | all of these at once |

mod account;
mod config;
mod error;
mod invoke;
mod list;
mod plan;
mod request;
mod run;

use aws_config::SdkConfig;
use serde_json::Value;
use shared::deadline;
use shared::job::Report;

pub use config::Config;
pub use error::Error;
pub use invoke::invoke_client;
pub use request::Request;

/// Built once, at cold start.
pub struct App {
    pub config: Config,
    pub sdk: SdkConfig,
    pub lambda: aws_sdk_lambda::Client,
}

/// Handles one invocation. `deadline_ms` is since 1970, as Lambda gives it.
pub async fn handle(app: &App, request: Value, request_id: String, deadline_ms: u64) -> Result<Report, Error> {
    let deadline = deadline::of(deadline_ms, app.config.timeout);
    let job = Request::parse(request)?.validate(&app.config, request_id)?;
    run::run(app, job, deadline).await
}
