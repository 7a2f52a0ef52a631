//! Files of keys: `failed/<generation>-<n>.ndjson` has the failed keys with their classes, and a redrive reads these files
//! as lists. `ignored/<generation>-<n>.ndjson` has the ignored keys with the reasons, if they are wanted.

use aws_sdk_s3::Client;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared::object::{ObjectRef, ObjectUri};
use shared::s3::{self, Condition, ConditionalWrite};

use super::counters::Counters;
use super::error::Error;
use super::once;
use crate::job::Job;

/// Keys go to a file when there are this many, so that the checkpoint stays small.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Failed,
    Ignored,
}

impl Kind {
    fn file(self, job: &Job, generation: u32, number: u32) -> ObjectUri {
        match self {
            Self::Failed => job.destination.failed(&job.id, generation, number),
            Self::Ignored => job.destination.ignored(&job.id, generation, number),
        }
    }
}

/// A file of keys that is not written yet.
#[derive(Debug)]
pub struct KeysFile {
    kind: Kind,
    /// From 1 in each generation.
    number: u32,
    lines: Bytes,
}

impl KeysFile {
    /// Takes the failed and the ignored keys for files if there are many of them, or if these are the last files.
    pub fn take(counters: &mut Counters, is_last: bool) -> Vec<Self> {
        let Counters {
            failed_keys,
            failed_files,
            ignored_keys,
            ignored_files,
            ..
        } = counters;
        let failed = Self::of(Kind::Failed, failed_keys, failed_files, is_last);
        let ignored = Self::of(Kind::Ignored, ignored_keys, ignored_files, is_last);
        failed.into_iter().chain(ignored).collect()
    }

    fn of<T: Serialize>(kind: Kind, keys: &mut Vec<T>, files: &mut u32, is_last: bool) -> Option<Self> {
        if keys.is_empty() || (keys.len() < MAX_KEYS_IN_MEMORY && !is_last) {
            return None;
        }
        let mut lines = Vec::new();
        for key in keys.drain(..) {
            serde_json::to_writer(&mut lines, &key).expect("a key is valid JSON");
            lines.push(b'\n');
        }
        *files += 1;
        Some(Self {
            kind,
            number: *files,
            lines: lines.into(),
        })
    }
}

/// Writes a file of keys, which must not exist.
pub async fn write(s3: &Client, job: &Job, generation: u32, file: KeysFile) -> Result<(), Error> {
    let target = file.kind.file(job, generation, file.number);
    let written = s3::put_object_if(s3, &target, s3::NDJSON, file.lines.clone(), Condition::Absent).await?;
    once::settle(s3, target, &file.lines, written).await
}

/// Empties files that are not counted. Their keys are processed again, and go to other files if they fail again.
///
/// The next file of the earlier invocation may still be on its way. So a fence takes its place, and a late write fails.
pub async fn discard(s3: &Client, job: &Job, kind: Kind, uncounted: &[UncountedFiles]) -> Result<(), Error> {
    for UncountedFiles { generation, from } in uncounted {
        for number in *from.. {
            let file = kind.file(job, *generation, number);
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
