//! The schedule of a job: EventBridge Scheduler starts fanout every minute while the job runs. If an invocation has died,
//! such a start continues the job. If not, it changes nothing.
//!
//! The schedule exists only as long as the job. Whatever happens to fanout, Scheduler deletes it after [`MAX_AGE`].

use std::time::Duration;

use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::delete_schedule::DeleteScheduleError;
use aws_sdk_scheduler::primitives::DateTime;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target,
};
use lambda_runtime::tracing::warn;
use md5::{Digest, Md5};
use shared::destination::Destination;
use shared::s3::Cause;
use tokio::time::timeout;

use super::Session;
use super::hand_over::Continuation;

/// The first start. By then, the job has its checkpoint. Without this, Scheduler would start fanout at once.
const FIRST: Duration = Duration::from_secs(60);

/// A little more than the longest job.
const MAX_AGE: Duration = Duration::from_hours(11 * 24);

/// The response of the job waits for it.
const DELETE_TIMEOUT: Duration = Duration::from_secs(3);

const EVERY_MINUTE: &str = "rate(1 minute)";

impl Session<'_> {
    /// Deletes the schedule of a job that has ended.
    pub async fn delete_schedule(&self, destination: &Destination, job_id: &str) {
        if let Some(restarts) = Restarts::new(self, destination, job_id) {
            restarts.delete().await;
        }
    }
}

/// The schedule of one job.
pub struct Restarts {
    client: aws_sdk_scheduler::Client,
    group: String,
    role_arn: String,
    function_arn: String,
    name: String,
    input: String,
}

impl Restarts {
    /// `None` if fanout has no settings for it, as on a developer's machine.
    pub fn new(session: &Session<'_>, destination: &Destination, job_id: &str) -> Option<Self> {
        let app = session.app;
        let config = app.config.restarts.clone()?;
        let continuation = Continuation::new(destination, job_id);
        let input = serde_json::to_string(&continuation).expect("a continuation is valid JSON");
        Some(Self {
            client: app.scheduler.clone(),
            group: config.group,
            role_arn: config.role_arn,
            function_arn: session.function_arn.clone(),
            // Names are at most 64 characters long. Jobs of several destinations may have the same id.
            name: hex::encode(Md5::digest(&input)),
            input,
        })
    }

    /// Creates the schedule, unless it exists. Returns whether it exists now; the job goes on without it.
    pub async fn create(&self, now: Duration) -> bool {
        let target = Target::builder()
            .arn(&self.function_arn)
            .role_arn(&self.role_arn)
            .input(&self.input)
            // The next start comes in a minute.
            .retry_policy(RetryPolicy::builder().maximum_retry_attempts(0).build())
            .build()
            .expect("it has all its fields");
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
        let after = |time: Duration| DateTime::from_secs_f64((now + time).as_secs_f64());
        let created = self
            .client
            .create_schedule()
            .name(&self.name)
            .group_name(&self.group)
            .description(
                format!("starts s3-exif again: {}", self.input)
                    .chars()
                    .take(512)
                    .collect::<String>(),
            )
            .schedule_expression(EVERY_MINUTE)
            .flexible_time_window(window.build().expect("it has its mode"))
            .start_date(after(FIRST))
            .end_date(after(MAX_AGE))
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target)
            .send()
            .await;
        match created {
            Ok(_) => true,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreateScheduleError::is_conflict_exception) =>
            {
                true
            }
            Err(error) => {
                let error = Cause::from_sdk(&error);
                warn!(%error, "the job has no schedule: if fanout dies, nothing starts it again");
                false
            }
        }
    }

    /// Deletes the schedule, if it exists.
    pub async fn delete(&self) {
        let deleted = self
            .client
            .delete_schedule()
            .name(&self.name)
            .group_name(&self.group)
            .send();
        let Ok(deleted) = timeout(DELETE_TIMEOUT, deleted).await else {
            warn!("the schedule of the job was not deleted in time; its next start tries it again");
            return;
        };
        if let Err(error) = deleted
            && !error
                .as_service_error()
                .is_some_and(DeleteScheduleError::is_resource_not_found_exception)
        {
            let error = Cause::from_sdk(&error);
            warn!(%error, "the schedule of the job was not deleted; its next start tries it again");
        }
    }
}
