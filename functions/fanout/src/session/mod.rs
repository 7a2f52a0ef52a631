//! One invocation of fanout: its id, its deadline, and its work on a job.
//!
//! | module | what it does |
//! |---|---|
//! | [`work`] | begins a job, or takes it over, and works on it |
//! | [`hand_over`] | starts the next invocation of a long job |

pub mod hand_over;
mod work;

use aws_sdk_s3::Client;
use shared::clock::Clock;
use shared::s3::Meter;
use tokio::time::Instant;

use crate::App;
use crate::job::Job;

pub struct Session<'a> {
    pub app: &'a App,
    /// Unique, even if Lambda delivers an event twice.
    pub id: String,
    pub deadline: Instant,
    pub meter: Meter,
    /// `meter` counts the requests of this client.
    pub s3: Client,
}

impl<'a> Session<'a> {
    /// Starts a session. `deadline_ms` is in milliseconds since 1970, as Lambda gives it.
    pub fn new(app: &'a App, request_id: &str, deadline_ms: u64) -> Self {
        let meter = Meter::default();
        Self {
            app,
            id: format!("{request_id}-{:08x}", fastrand::u32(..)),
            deadline: app.clock.deadline(deadline_ms, app.config.timeout),
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

    /// The same session with a new meter, because the checkpoint has the requests so far.
    fn recounted(&self) -> Self {
        let meter = Meter::default();
        Self {
            app: self.app,
            id: self.id.clone(),
            deadline: self.deadline,
            s3: meter.s3(&self.app.sdk),
            meter,
        }
    }
}
