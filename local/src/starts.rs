//! What starts fanout again when nobody does: the retries of Lambda, and the schedules of jobs.
//!
//! Lambda runs an asynchronous invocation that has failed again: after one minute, and once more two minutes after that,
//! with the same event and the same request id ("How Lambda handles errors and retries with asynchronous invocation" in
//! the AWS Lambda Developer Guide). It may also deliver an event twice, which callers can do with any start.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::scheduler::Scheduler;

/// The waits before Lambda's retries, as many as the template allows.
pub const WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// One asynchronous invocation of fanout.
#[derive(Clone, Debug)]
pub struct Start {
    pub request_id: String,
    pub event: Value,
    /// How often it has died before.
    deaths: usize,
}

impl Start {
    #[must_use]
    pub fn new(request_id: &str, event: Value) -> Self {
        Self {
            request_id: request_id.to_owned(),
            event,
            deaths: 0,
        }
    }
}

/// The starts that are to come. All times are since 1970.
#[derive(Debug)]
pub struct Starts {
    scheduler: Arc<Scheduler>,
    /// As in the template.
    max_retries: usize,
    /// Each with the time at which Lambda starts it.
    waiting: Vec<(Duration, Start)>,
    scheduled: u32,
}

impl Starts {
    #[must_use]
    pub fn new(scheduler: Arc<Scheduler>, max_retries: usize) -> Self {
        Self {
            scheduler,
            max_retries,
            waiting: Vec::new(),
            scheduled: 0,
        }
    }

    /// An asynchronous invocation was requested.
    pub fn add(&mut self, start: Start, now: Duration) {
        self.waiting.push((now, start));
    }

    /// An invocation was killed.
    pub fn died(&mut self, start: &Start, now: Duration) {
        let wait = WAITS.get(start.deaths).filter(|_| start.deaths < self.max_retries);
        if let Some(&wait) = wait {
            let again = Start {
                deaths: start.deaths + 1,
                ..start.clone()
            };
            self.waiting.push((now + wait, again));
        }
    }

    /// Takes the next start, with the time at which it is due. `None`: nothing would start the job again.
    pub fn take_next(&mut self) -> anyhow::Result<Option<(Duration, Start)>> {
        let waiting = (0..self.waiting.len()).min_by_key(|&index| self.waiting[index].0);
        let scheduled = self.scheduler.next();
        if let Some(index) = waiting
            && scheduled.is_none_or(|scheduled| self.waiting[index].0 <= scheduled)
        {
            return Ok(Some(self.waiting.swap_remove(index)));
        }
        let Some((at, target)) = scheduled.zip(self.scheduler.take_next()) else {
            return Ok(None);
        };
        self.scheduled += 1;
        let request_id = format!("scheduled-{}", self.scheduled);
        Ok(Some((
            at,
            Start::new(&request_id, serde_json::from_str(&target.input)?),
        )))
    }
}
