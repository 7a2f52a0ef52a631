//! `checkpoint.json`: everything that another invocation needs to continue a job, and which invocation works on it.
//!
//! It is only replaced with `If-Match`. If two invocations work on one job, one of them finds out with its next write.
//! An attempt is in the checkpoint before it is sent. So if an invocation is killed, the next one knows all its
//! attempts.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::clock::MAX_TIMEOUT;
use shared::destination::Destination;
use shared::object::{ETag, S3Uri};
use shared::prices::Architecture;
use shared::protocol::job::State;
use shared::s3::{self, Condition, ConditionalWrite, ErrorKind};

use super::bodies::BodyWrite;
use super::counters::Counters;
use super::error::Error;
use super::journal::{self, KeysFile, UncountedFiles};
use super::lease;
use crate::chunk::{Chunk, InFlightAttempt};
use crate::job::Job;
use crate::request::Request;
use crate::source::Cursor;

/// The layout that is written. Layout 2 held the objects of chunks. Layout 1 also had other field names, which are the
/// aliases below.
const VERSION: u32 = 3;
const MIN_VERSION: u32 = 1;

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
    /// Where records and the files of the job are, if not in the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_destination: Option<S3Uri>,
    /// The request that started the job, with the defaults from the environment at that time.
    pub request: Request,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The number of the invocation in the chain of the job, from 1.
    pub generation: u32,
    /// The id of the invocation that works on the job.
    pub owner: String,
    /// How long the owner's lease lasts after the checkpoint was written, in seconds. 0: it has handed the job over.
    #[serde(default)]
    pub lease_s: u64,
    /// In layouts 1 and 2: when the lease ends, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lease_ms: u64,
    /// How often in a row the job was taken over without a new outcome, and how many keys had an outcome at the first of
    /// these times.
    #[serde(default)]
    pub takeovers: u32,
    #[serde(default)]
    pub outcomes: u64,
    /// What Lambda's price depends on. Absent in a checkpoint of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<FunctionSizes>,
    /// Grows with each write of the same owner.
    pub revision: u64,
    #[serde(default, alias = "stop")]
    pub stop_requested: bool,
    /// Whether the store of the destination honours the conditions of writes, as far as is known.
    #[serde(default)]
    pub honours_conditions: bool,
    #[serde(default, alias = "stale")]
    pub uncounted_failures: Vec<UncountedFiles>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncounted_ignored: Vec<UncountedFiles>,
}

impl Header {
    /// Where the job writes.
    pub fn output(&self) -> Destination {
        Destination::new(self.destination.clone(), self.records_destination.clone())
    }
}

/// The memory of the functions in MB, and their architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionSizes {
    pub fanout_mb: u32,
    pub processor_mb: u32,
    pub architecture: Architecture,
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

/// A checkpoint as it was read.
#[derive(Clone, Debug)]
pub struct Found {
    pub checkpoint: Checkpoint,
    pub etag: ETag,
    /// When S3 wrote it, since 1970.
    pub written: Duration,
}

impl Found {
    /// Whether an invocation works on the job, and its lease has not ended. `now` is S3's time since 1970.
    pub fn is_leased(&self, now: Duration) -> bool {
        let header = &self.checkpoint.header;
        let left = Duration::from_millis(header.lease_ms).saturating_sub(now);
        // One that seems longer comes from a wrong clock.
        let holds_in_old_layout = !left.is_zero() && left <= MAX_TIMEOUT + Duration::from_secs(60);
        let lease = Duration::from_secs(header.lease_s);
        header.state == State::Running && (holds_in_old_layout || lease::holds(lease, self.written, now))
    }
}

impl Header {
    /// All files are counted, or empty.
    pub fn forget_uncounted(&mut self) {
        self.uncounted_failures.clear();
        self.uncounted_ignored.clear();
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
                records_destination: job.destination.separate_records_uri(),
                request,
                state: State::Running,
                reason: None,
                generation: 0,
                owner: String::new(),
                lease_s: 0,
                lease_ms: 0,
                takeovers: 0,
                outcomes: 0,
                functions: None,
                revision: 0,
                stop_requested: false,
                honours_conditions: false,
                uncounted_failures: Vec::new(),
                uncounted_ignored: Vec::new(),
            },
            counters: Counters::default(),
            cursors,
            queue: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Reads the checkpoint of a job. `None` if the job was never started.
    pub async fn find(s3: &Client, destination: &Destination, job_id: &str) -> Result<Option<Found>, Error> {
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
        let written = DateTime::from_str(&meta.last_modified, DateTimeFormat::DateTime);
        let written = written.map_err(|error| unreadable(format!("its Last-Modified: {error}")))?;
        Ok(Some(Found {
            checkpoint,
            etag,
            written: Duration::from_secs(u64::try_from(written.secs()).unwrap_or_default()),
        }))
    }

    /// Reads the checkpoint of an existing job.
    pub async fn load(s3: &Client, destination: &Destination, job_id: &str) -> Result<Found, Error> {
        let found = Self::find(s3, destination, job_id).await?;
        found.ok_or_else(|| Error::NoSuchJob {
            job_id: job_id.to_owned(),
            destination: destination.records_uri().to_string(),
        })
    }

    /// Makes `owner` the owner, with a new generation.
    pub fn take_over(&mut self, owner: &str) {
        let counters = &mut self.counters;
        let outcomes = counters.listed - counters.pending();
        let header = &mut self.header;
        let was_handed_over = header.lease_s == 0 && header.lease_ms == 0;
        header.takeovers = match header.takeovers {
            _ if header.generation == 0 => 0,
            _ if outcomes > header.outcomes => u32::from(!was_handed_over),
            count => count + 1,
        };
        header.outcomes = outcomes;
        // An owner that has handed the job over has counted all its files.
        if header.generation > 0 && !was_handed_over {
            let after = |files| UncountedFiles {
                generation: header.generation,
                from: files + 1,
            };
            header.uncounted_failures.push(after(counters.failed_files));
            header.uncounted_ignored.push(after(counters.ignored_files));
        }
        (counters.failed_files, counters.ignored_files) = (0, 0);
        header.generation += 1;
        owner.clone_into(&mut header.owner);
        header.lease_s = lease::LEASE.as_secs();
        header.lease_ms = 0;
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
        let Some(found) = Self::find(s3, destination, &self.header.job_id).await? else {
            return Ok(Saved::LeaseLost);
        };
        let (found, etag) = (found.checkpoint, found.etag);
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Files that a checkpoint relies on: failed and ignored keys that it no longer holds, and the bodies of its chunks.
#[derive(Default)]
pub struct Before {
    pub keys: Vec<KeysFile>,
    pub bodies: Vec<BodyWrite>,
}

/// Writes a checkpoint after the files that it relies on.
pub async fn save(
    s3: &Client,
    job: &Job,
    checkpoint: &Checkpoint,
    etag: Option<&ETag>,
    before: Before,
) -> Result<Saved, Error> {
    for file in before.keys {
        journal::write(s3, job, checkpoint.header.generation, file).await?;
    }
    for body in before.bodies {
        body.await.map_err(|error| Error::Task(error.to_string()))??;
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
    fn a_lease_ends_some_time_after_the_write() {
        let at = Duration::from_secs;
        let mut found = Found {
            checkpoint: checkpoint(),
            etag: ETag::parse("e").unwrap(),
            written: at(1_000),
        };
        assert!(!found.is_leased(at(1_000)), "nobody has taken it over");
        found.checkpoint.take_over("a");
        assert_eq!(found.checkpoint.header.generation, 1);
        assert!(found.is_leased(at(1_060)) && !found.is_leased(at(1_061)));
        found.checkpoint.header.state = State::Completed;
        assert!(!found.is_leased(at(1_000)));
        // In layouts 1 and 2, the checkpoint has the end of the lease.
        found.checkpoint.header.state = State::Running;
        (found.checkpoint.header.lease_s, found.checkpoint.header.lease_ms) = (0, 1_900_500);
        assert!(found.is_leased(at(1_900)) && !found.is_leased(at(1_901)) && !found.is_leased(at(1)));
    }

    #[test]
    fn takeovers_without_a_new_outcome_are_counted() {
        let mut checkpoint = checkpoint();
        let mut takeovers = |change: fn(&mut Checkpoint)| {
            change(&mut checkpoint);
            checkpoint.take_over("a");
            checkpoint.header.takeovers
        };
        assert_eq!(takeovers(|_| {}), 0, "the job begins");
        assert_eq!(takeovers(|_| {}), 1);
        assert_eq!(takeovers(|_| {}), 2);
        let process = |checkpoint: &mut Checkpoint| (checkpoint.counters.listed, checkpoint.counters.ok) = (1, 1);
        assert_eq!(takeovers(process), 1);
        assert_eq!(takeovers(|_| {}), 2);
        let hand_over = |checkpoint: &mut Checkpoint| checkpoint.header.lease_s = 0;
        assert_eq!(takeovers(hand_over), 3, "handed over, and nothing was done");
        let go_on = |checkpoint: &mut Checkpoint| {
            (checkpoint.counters.listed, checkpoint.counters.ignored) = (5, 4);
            checkpoint.header.lease_s = 0;
        };
        assert_eq!(takeovers(go_on), 0);
        assert_eq!(takeovers(|_| {}), 1);
    }

    #[test]
    fn later_files_of_the_previous_owner_are_uncounted() {
        let mut checkpoint = checkpoint();
        checkpoint.take_over("a");
        assert!(checkpoint.header.uncounted_failures.is_empty());
        checkpoint.counters.failed_files = 3;
        checkpoint.take_over("b");
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
        assert!(
            checkpoint
                .queue
                .iter()
                .all(|chunk| chunk.keys > 0 && chunk.lines().is_some())
        );
        let stopped = text
            .replace("\"stop\":false", "\"stop\":true")
            .replace("\"died\":0", "\"died\":1");
        let stopped: Checkpoint = serde_json::from_str(&stopped).unwrap();
        assert!(stopped.header.stop_requested && stopped.queue[0].tries.lost == 1);
    }
}
