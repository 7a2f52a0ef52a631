//! `failed/<generation>-<n>.ndjson`: the failed keys with their classes. A redrive reads these files as lists.

use aws_sdk_s3::Client;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::object::ObjectRef;
use shared::s3::{self, Condition, ConditionalWrite};

use super::counters::Counters;
use super::error::Error;
use super::once;
use crate::job::Job;

/// Failed keys go to a file when there are this many, so that the checkpoint stays small.
const MAX_KEYS_IN_MEMORY: usize = 200;

/// What takes the place of a file that may still be written. A reader skips it, because it is a blank line.
const FENCE: &[u8] = b"\n";

/// Files that may have been written and are not counted, because their invocation was killed before its next
/// checkpoint: those of `generation`, from the number `from` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncountedFiles {
    pub generation: u32,
    pub from: u32,
}

/// A file of failed keys that is not written yet.
#[derive(Debug)]
pub struct FailuresFile {
    /// From 1 in each generation.
    number: u32,
    lines: Bytes,
}

impl FailuresFile {
    /// Takes the failed keys for a file if there are many of them, or if this is the last file.
    pub fn take(counters: &mut Counters, is_last: bool) -> Option<Self> {
        let count = counters.failed_keys.len();
        if count == 0 || (count < MAX_KEYS_IN_MEMORY && !is_last) {
            return None;
        }
        let mut lines = Vec::new();
        for failed in counters.failed_keys.drain(..) {
            serde_json::to_writer(&mut lines, &failed).expect("a failed key is valid JSON");
            lines.push(b'\n');
        }
        counters.failed_files += 1;
        Some(Self {
            number: counters.failed_files,
            lines: lines.into(),
        })
    }
}

/// Writes a file of failed keys, which must not exist.
pub async fn record_failures(s3: &Client, job: &Job, generation: u32, file: FailuresFile) -> Result<(), Error> {
    let target = job.destination.failed(&job.id, generation, file.number);
    let written = s3::put_object_if(s3, &target, s3::NDJSON, file.lines.clone(), Condition::Absent).await?;
    once::settle(s3, target, &file.lines, written).await
}

/// Empties files that are not counted. Their keys are processed again, and go to other files if they fail again.
///
/// The next file of the earlier invocation may still be on its way. So a fence takes its place, and a late write fails.
pub async fn discard(s3: &Client, job: &Job, uncounted: &[UncountedFiles]) -> Result<(), Error> {
    for UncountedFiles { generation, from } in uncounted {
        for number in *from.. {
            let file = job.destination.failed(&job.id, *generation, number);
            let fence = Bytes::from_static(FENCE);
            if let ConditionalWrite::Written(_) =
                s3::put_object_if(s3, &file, s3::NDJSON, fence, Condition::Absent).await?
            {
                break;
            }
            let found = s3::head_object(s3, &file.bucket, &ObjectRef::latest(file.key.clone())).await?;
            match found.size {
                Some(0) => {}
                // An earlier successor has written it, so no file follows.
                Some(size) if size == FENCE.len() as u64 => break,
                _ => s3::put_object(s3, &file, s3::NDJSON, Bytes::new()).await?,
            }
        }
    }
    Ok(())
}
