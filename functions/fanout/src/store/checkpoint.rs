//! `checkpoint.json`: everything that another invocation needs to continue a job, and which invocation works on it.
//!
//! It is only replaced with `If-Match`. If two invocations work on one job, one of them finds out with its next write.
//! An attempt is in the checkpoint before it is sent. So if an invocation is killed, the next one knows all its
//! attempts.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::clock::{Clock, MAX_TIMEOUT};
use shared::destination::Destination;
use shared::object::{ETag, S3Uri};
use shared::protocol::job::State;
use shared::s3::{self, Condition, ConditionalWrite, ErrorKind};
use tokio::time::Instant;

use super::counters::Counters;
use super::error::Error;
use super::journal::{self, FailuresFile, UncountedFiles};
use crate::chunk::{Chunk, InFlightAttempt};
use crate::job::Job;
use crate::request::Request;
use crate::source::Cursor;

/// The layout that is written. Layout 1 had other field names, which are the aliases below.
const VERSION: u32 = 2;
const MIN_VERSION: u32 = 1;

/// A lease counts as ended only this long after its end, because clocks differ a little.
const CLOCK_SKEW: Duration = Duration::from_secs(1);

/// The longest lease: a little more than Lambda's longest time-out. A lease that seems longer comes from a wrong clock
/// and does not count.
const MAX_LEASE: Duration = Duration::from_secs(MAX_TIMEOUT.as_secs() + 60);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    #[serde(flatten)]
    pub header: Header,
    pub counters: Counters,
    /// The parts of the source that are not listed yet.
    pub cursors: Vec<Cursor>,
    /// The waiting chunks.
    pub queue: Vec<Arc<Chunk>>,
    /// Attempts that may have been sent, and have no result.
    #[serde(alias = "open")]
    pub in_flight: Vec<InFlightAttempt>,
}

/// Which job it is, and which invocation works on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    pub version: u32,
    pub job_id: String,
    pub source: S3Uri,
    pub destination: S3Uri,
    /// The request that started the job, with the defaults from the environment at that time.
    pub request: Request,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The number of the invocation in the chain of the job, from 1.
    pub generation: u32,
    /// The id of the invocation that works on the job.
    pub owner: String,
    /// When the lease ends, in milliseconds since 1970. It is 0 after a hand-over.
    pub lease_ms: u64,
    /// Grows with each write of the same owner.
    pub revision: u64,
    #[serde(default, alias = "stop")]
    pub stop_requested: bool,
    /// Whether the store of the destination honours the conditions of writes, as far as is known.
    #[serde(default)]
    pub honours_conditions: bool,
    #[serde(default, alias = "stale")]
    pub uncounted_failures: Vec<UncountedFiles>,
}

/// Only the field that says whether the rest can be read.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The result of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Saved {
    /// Written. With the new `ETag`.
    Written(ETag),
    /// Not written, because the job is to stop. With the `ETag` of the checkpoint that says so.
    StopRequested(ETag),
    /// Not written, because another invocation works on the job.
    LeaseLost,
}

impl Header {
    /// Whether an invocation works on the job and its lease has not ended.
    pub fn is_leased(&self, clock: &Clock) -> bool {
        let now = clock.since_epoch().saturating_sub(CLOCK_SKEW);
        let left = Duration::from_millis(self.lease_ms).saturating_sub(now);
        self.state == State::Running && !left.is_zero() && left <= MAX_LEASE
    }

    /// Whether both name the same invocation.
    pub fn has_owner_of(&self, other: &Self) -> bool {
        (self.generation, &self.owner) == (other.generation, &other.owner)
    }
}

impl Checkpoint {
    /// The checkpoint of a job that is about to start.
    pub fn new(job: &Job, request: Request, cursors: Vec<Cursor>) -> Self {
        Self {
            header: Header {
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
                stop_requested: false,
                honours_conditions: false,
                uncounted_failures: Vec::new(),
            },
            counters: Counters::default(),
            cursors,
            queue: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Reads the checkpoint of a job and its `ETag`. `None` if the job was never started.
    pub async fn find(s3: &Client, destination: &Destination, job_id: &str) -> Result<Option<(Self, ETag)>, Error> {
        let uri = destination.checkpoint(job_id);
        let (meta, body) = match s3::get_latest(s3, &uri).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let unreadable = |problem: String| Error::Unreadable {
            uri: uri.clone(),
            problem,
        };
        let Version { version } = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        if !(MIN_VERSION..=VERSION).contains(&version) {
            return Err(unreadable(format!(
                "it was written by another version of fanout (layout {version}, this one reads {MIN_VERSION} to \
                 {VERSION}): finish the job with that version, or start it again with another job_id"
            )));
        }
        let mut checkpoint: Self = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        checkpoint.header.version = VERSION;
        // Without an ETag, nothing shows whether the checkpoint was replaced.
        let etag = meta.etag.ok_or_else(|| unreadable("it has no ETag".to_owned()))?;
        Ok(Some((checkpoint, etag)))
    }

    /// Reads the checkpoint of an existing job and its `ETag`.
    pub async fn load(s3: &Client, destination: &Destination, job_id: &str) -> Result<(Self, ETag), Error> {
        let found = Self::find(s3, destination, job_id).await?;
        found.ok_or_else(|| Error::NoSuchJob {
            job_id: job_id.to_owned(),
            destination: destination.uri().to_string(),
        })
    }

    /// Makes `owner` the owner, with a new generation and a lease until `deadline`.
    pub fn take_over(&mut self, owner: &str, deadline: Instant, clock: &Clock) {
        let left = deadline.saturating_duration_since(clock.now());
        let header = &mut self.header;
        if header.generation > 0 {
            header.uncounted_failures.push(UncountedFiles {
                generation: header.generation,
                from: self.counters.failed_files + 1,
            });
            self.counters.failed_files = 0;
        }
        header.generation += 1;
        owner.clone_into(&mut header.owner);
        header.lease_ms = u64::try_from((clock.since_epoch() + left).as_millis()).unwrap_or(u64::MAX);
        header.revision = 0;
    }

    pub fn to_json(&self) -> Bytes {
        serde_json::to_vec(self).expect("a checkpoint is valid JSON").into()
    }

    /// Writes the checkpoint if `etag` is still its `ETag` in S3. Without `etag`, writes it if there is no checkpoint.
    pub async fn save(&self, s3: &Client, destination: &Destination, etag: Option<&ETag>) -> Result<Saved, Error> {
        let target = destination.checkpoint(&self.header.job_id);
        let condition = etag.map_or(Condition::Absent, Condition::Matches);
        let written = s3::put_object_if(s3, &target, s3::JSON, self.to_json(), condition).await?;
        if let ConditionalWrite::Written(etag) = written {
            return Ok(Saved::Written(etag));
        }
        let Some((found, etag)) = Self::find(s3, destination, &self.header.job_id).await? else {
            return Ok(Saved::LeaseLost);
        };
        Ok(if !found.header.has_owner_of(&self.header) {
            Saved::LeaseLost
        } else if found.header.stop_requested && !self.header.stop_requested {
            Saved::StopRequested(etag)
        } else if found.header.revision == self.header.revision {
            // This is our own write: its response was lost, and the SDK sent it again.
            Saved::Written(etag)
        } else {
            Saved::LeaseLost
        })
    }
}

/// Writes the failed keys that are no longer in the checkpoint, and then the checkpoint.
pub async fn save(
    s3: &Client,
    job: &Job,
    checkpoint: &Checkpoint,
    etag: Option<&ETag>,
    failures: Option<FailuresFile>,
) -> Result<Saved, Error> {
    if let Some(file) = failures {
        journal::record_failures(s3, job, checkpoint.header.generation, file).await?;
    }
    checkpoint.save(s3, &job.destination, etag).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let request = Request {
            source: Some("s3://photos/".parse().unwrap()),
            destination: Some("s3://photos-out/".parse().unwrap()),
            ..Request::default()
        };
        Checkpoint::new(&Job::from_request(&request, "job").unwrap(), request, Vec::new())
    }

    #[test]
    fn a_lease_holds_until_it_ends_and_has_a_limit() {
        let (clock, mut checkpoint) = (Clock::default(), checkpoint());
        assert!(!checkpoint.header.is_leased(&clock));
        checkpoint.take_over("a", clock.now() + Duration::from_secs(600), &clock);
        assert!(checkpoint.header.is_leased(&clock));
        assert_eq!(checkpoint.header.generation, 1);
        clock.advance(Duration::from_secs(602));
        assert!(!checkpoint.header.is_leased(&clock));
        // From a clock that is a day ahead.
        let tomorrow = clock.since_epoch() + Duration::from_hours(24);
        checkpoint.header.lease_ms = u64::try_from(tomorrow.as_millis()).unwrap();
        assert!(!checkpoint.header.is_leased(&clock));
        checkpoint.take_over("b", clock.now() + Duration::from_secs(600), &clock);
        checkpoint.header.state = State::Completed;
        assert!(!checkpoint.header.is_leased(&clock));
    }

    #[test]
    fn later_files_of_the_previous_owner_are_uncounted() {
        let (clock, mut checkpoint) = (Clock::default(), checkpoint());
        checkpoint.take_over("a", clock.now(), &clock);
        assert!(checkpoint.header.uncounted_failures.is_empty());
        checkpoint.counters.failed_files = 3;
        checkpoint.take_over("b", clock.now(), &clock);
        let uncounted = [UncountedFiles { generation: 1, from: 4 }];
        assert_eq!(checkpoint.header.uncounted_failures, uncounted);
        assert_eq!(checkpoint.counters.failed_files, 0);
    }

    #[test]
    fn layout_1_is_read() {
        let text = include_str!("../../tests/checkpoints/v1.json");
        let checkpoint: Checkpoint = serde_json::from_str(text).unwrap();
        assert_eq!(checkpoint.header.uncounted_failures.len(), 1);
        assert_eq!((checkpoint.queue.len(), checkpoint.in_flight.len()), (4, 2));
        assert_eq!(checkpoint.queue[2].tries.throttled, 1);
        let again: Checkpoint = serde_json::from_slice(&checkpoint.to_json()).unwrap();
        assert_eq!(again.in_flight, checkpoint.in_flight);
        let stopped = text
            .replace("\"stop\":false", "\"stop\":true")
            .replace("\"died\":0", "\"died\":1");
        let stopped: Checkpoint = serde_json::from_str(&stopped).unwrap();
        assert!(stopped.header.stop_requested && stopped.queue[0].tries.lost == 1);
    }
}
