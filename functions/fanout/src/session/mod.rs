//! One invocation of fanout: its id, its deadline, and its work on a job.
//!
//! | module | what it does |
//! |---|---|
//! | [`work`] | begins a job, or takes it over, and works on it |
//! | [`hand_over`] | starts the next invocation of a long job |
//! | [`restarts`] | the schedule that starts a job again if fanout has died |

pub mod hand_over;
pub mod restarts;
mod work;

use std::time::Duration;

use aws_sdk_s3::Client;
use shared::clock::Clock;
use shared::s3::Meter;
use tokio::time::Instant;

use crate::App;
use crate::job::Job;

/// What Lambda says about an invocation.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    pub request_id: String,
    /// In milliseconds since 1970; 0 means that there is none.
    pub deadline_ms: u64,
    /// The ARN by which fanout was invoked.
    pub function_arn: String,
}

pub struct Session<'a> {
    pub app: &'a App,
    pub function_arn: String,
    /// Unique, even if Lambda delivers an event twice.
    pub id: String,
    pub deadline: Instant,
    pub meter: Meter,
    /// `meter` counts the requests of this client.
    pub s3: Client,
}

impl<'a> Session<'a> {
    pub fn new(app: &'a App, invocation: &Invocation) -> Self {
        let meter = Meter::default();
        Self {
            app,
            function_arn: invocation.function_arn.clone(),
            id: format!("{}-{:08x}", invocation.request_id, fastrand::u32(..)),
            deadline: app.clock.deadline(invocation.deadline_ms, app.config.timeout),
            s3: meter.s3(&app.sdk),
            meter,
        }
    }

    /// A client for the source of a job.
    pub fn source_s3(&self, job: &Job) -> Client {
        self.meter.source_s3(&self.app.sdk, job.request_payer)
    }

    pub fn clock(&self) -> &'a Clock {
        &self.app.clock
    }

    /// S3's time since 1970. Before its first response, the time of this machine.
    pub fn s3_time(&self) -> Duration {
        self.meter.s3_time().unwrap_or_else(|| self.clock().since_epoch())
    }

    /// The same session with a new meter, because the checkpoint has the requests so far.
    fn recounted(&self) -> Self {
        let meter = Meter::default();
        Self {
            app: self.app,
            function_arn: self.function_arn.clone(),
            id: self.id.clone(),
            deadline: self.deadline,
            s3: meter.s3(&self.app.sdk),
            meter,
        }
    }
}
