//! `checkpoint.json`: all that another invocation needs to go on with a job, and who is at it.
//!
//! It is only ever replaced with `If-Match`, so of two invocations that work on one job, one finds out
//! with its next write. An attempt is written down here before it is sent: whatever a killed invocation
//! left behind is known to the next one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::chunk::Attempt;
use shared::destination::Destination;
use shared::failure::{Class, Failure};
use shared::job::State;
use shared::s3::{self, Condition, ObjectId, Written};
use shared::uri::S3Uri;
use tokio::time::Instant;

use crate::account::Counters;
use crate::error::Error;
use crate::plan::Chunk;
use crate::request::{Job, Request};
use crate::source::Cursor;

/// The version of this file's layout.
const VERSION: u32 = 1;

/// A lease counts as over only this long after its end, since clocks differ a little.
const CLOCK_SKEW: Duration = Duration::from_secs(1);

/// No lease is longer than Lambda lets a function run; one that seems so comes from a clock that was
/// wrong, and binds nobody.
const LONGEST_LEASE: Duration = Duration::from_secs(shared::deadline::LONGEST.as_secs() + 60);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    pub version: u32,
    pub job_id: String,
    pub source: S3Uri,
    pub destination: S3Uri,
    /// What was asked for, and what the environment said then.
    pub request: Request,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which invocation in the chain, from 1.
    pub generation: u32,
    /// The request id of the invocation at work.
    pub owner: String,
    /// Until when it may be at work, in milliseconds since 1970; 0 once it has handed over.
    pub lease_ms: u64,
    /// Grows with each write of one owner.
    pub revision: u64,
    /// Somebody asked for the job to stop.
    #[serde(default)]
    pub stop: bool,
    pub counters: Counters,
    /// Files of failed keys that invocations may have written and did not come to count.
    #[serde(default)]
    pub stale: Vec<Stale>,
    /// What has not been listed.
    pub cursors: Vec<Cursor>,
    /// What waits to be sent.
    pub queue: Vec<Arc<Chunk>>,
    /// What may have been sent and is not settled.
    pub open: Vec<Open>,
}

/// The files of one generation from one number on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stale {
    pub generation: u32,
    pub from: u32,
}

/// An attempt at a chunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    pub attempt: Attempt,
    pub chunk: Arc<Chunk>,
}

/// Only what tells whether the rest can be read.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Checkpoint {
    /// Of a job about to start.
    pub fn new(job: &Job, request: Request, cursors: Vec<Cursor>) -> Self {
        Self {
            version: VERSION,
            job_id: job.id.clone(),
            source: job.source.clone(),
            destination: job.destination.uri(),
            request,
            state: State::Running,
            reason: None,
            generation: 0,
            owner: String::new(),
            lease_ms: 0,
            revision: 0,
            stop: false,
            counters: Counters::default(),
            stale: Vec::new(),
            cursors,
            queue: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The checkpoint of a job and its `ETag`; `None` where the job was never started.
    pub async fn find(s3: &Client, destination: &Destination, job_id: &str) -> Result<Option<(Self, String)>, Error> {
        let file = ObjectId::any(&destination.bucket, destination.checkpoint(job_id));
        let (head, body) = match s3::get(s3, &file, None).await {
            Ok(found) => found,
            Err(failure) if failure.class == Class::NotFound => return Ok(None),
            Err(failure) => return Err(Error::Destination(failure)),
        };
        let unreadable = |problem: String| Error::Checkpoint {
            uri: format!("s3://{}/{}", file.bucket, file.key),
            problem,
        };
        let Version { version } = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        if version != VERSION {
            return Err(unreadable(format!(
                "it was written by another version of fanout (layout {version}, this one reads {VERSION}): finish \
                 the job with that version, or start it anew under another job_id"
            )));
        }
        let checkpoint = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        Ok(Some((checkpoint, head.etag)))
    }

    /// The same of a job that must be there.
    pub async fn load(s3: &Client, destination: &Destination, job_id: &str) -> Result<(Self, String), Error> {
        let found = Self::find(s3, destination, job_id).await?;
        found.ok_or_else(|| Error::NoSuchJob {
            job_id: job_id.to_owned(),
            destination: destination.uri().to_string(),
        })
    }

    /// Whether an invocation is at work on the job.
    pub fn is_leased(&self) -> bool {
        let left = Duration::from_millis(self.lease_ms).saturating_sub(now().saturating_sub(CLOCK_SKEW));
        self.state == State::Running && !left.is_zero() && left <= LONGEST_LEASE
    }

    /// Makes an invocation that lasts until `deadline` the one at work.
    pub fn take_over(&mut self, owner: &str, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.generation > 0 {
            self.stale.push(Stale {
                generation: self.generation,
                from: self.counters.failed_files + 1,
            });
            self.counters.failed_files = 0;
        }
        self.generation += 1;
        owner.clone_into(&mut self.owner);
        self.lease_ms = u64::try_from((now() + left).as_millis()).unwrap_or(u64::MAX);
        self.revision = 0;
    }

    fn to_json(&self) -> Bytes {
        serde_json::to_vec(self).expect("a checkpoint is valid JSON").into()
    }

    /// Writes it if nothing else was written since `etag`, or at all where there is none.
    pub async fn save(&self, s3: &Client, destination: &Destination, etag: Option<&str>) -> Result<Saved, Failure> {
        let key = destination.checkpoint(&self.job_id);
        let condition = etag.map_or(Condition::New, Condition::Matches);
        let written = s3::put_if(s3, &destination.bucket, &key, s3::JSON, self.to_json(), condition).await?;
        if let Written::Done(etag) = written {
            return Ok(Saved::Done(etag));
        }
        let (found, etag) = match Self::find(s3, destination, &self.job_id).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Saved::Lost),
            Err(Error::Destination(failure)) => return Err(failure),
            Err(error) => return Err(Failure::new(Class::Internal, error.to_string())),
        };
        if (found.generation, &found.owner) != (self.generation, &self.owner) {
            return Ok(Saved::Lost);
        }
        // Our own: an answer got lost, and the SDK sent it again; or somebody has put in the wish to stop.
        Ok(if found.stop && !self.stop {
            Saved::Stop(etag)
        } else if found.revision == self.revision {
            Saved::Done(etag)
        } else {
            Saved::Lost
        })
    }
}

/// What a write came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Saved {
    /// With its `ETag`.
    Done(String),
    /// Not written: the job is to stop. With the `ETag` of what says so.
    Stop(String),
    /// Not written: another invocation is at work.
    Lost,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_binds_until_it_ends_and_never_for_long() {
        let request = Request {
            source: Some("s3://photos/".parse().unwrap()),
            destination: Some("s3://photos-out/".parse().unwrap()),
            ..Request::default()
        };
        let mut checkpoint = Checkpoint::new(&request.validate("job").unwrap(), request, Vec::new());
        assert!(!checkpoint.is_leased());
        checkpoint.take_over("a", Instant::now() + Duration::from_secs(60));
        assert!(checkpoint.is_leased());
        assert_eq!(checkpoint.generation, 1);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        checkpoint.lease_ms = ms(now()) - 2000;
        assert!(!checkpoint.is_leased());
        // From a clock that is a day ahead.
        checkpoint.lease_ms = ms(now() + Duration::from_hours(24));
        assert!(!checkpoint.is_leased());
        checkpoint.take_over("b", Instant::now() + Duration::from_secs(60));
        checkpoint.state = State::Completed;
        assert!(!checkpoint.is_leased());
    }
}
