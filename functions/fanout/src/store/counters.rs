//! The job's counters. Every key is listed once and leaves `pending` once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::filter;
use shared::object::{Key, ObjectRef};
use shared::protocol::chunk::ChunkResponse;
use shared::protocol::examples::{Example, Examples};
use shared::protocol::failure::{FailedKey, FailureClass};
use shared::protocol::found::{Found, Tally};
use shared::protocol::ignored::{IgnoreReason, IgnoredKey};
use shared::protocol::series::Series;
use shared::protocol::usage::{Requests, Usage};

use super::folder::CommonFolder;
use crate::job::Job;

/// The error of a key that cannot be decoded.
const NOT_UTF8: &str = "its key is not UTF-8, so no request can name the object; it is shown URL-encoded";

/// The share of failed images is only checked after this many images.
const MIN_SAMPLE: u64 = 500;

/// A job whose images are all denied is aborted only after this many chunks.
const MIN_DENIED_CHUNKS: u64 = 3;

/// What a listing counts. Chunks are counted when they are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListedCounts {
    pub listed: u64,
    pub bytes: u64,
    pub skipped: u64,
}

impl ListedCounts {
    pub fn add(&mut self, other: Self) {
        self.listed += other.listed;
        self.bytes += other.bytes;
        self.skipped += other.skipped;
    }
}

/// Objects that a listing left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    pub by: BTreeMap<IgnoreReason, u64>,
    /// Those that have the name of an image: how many by their ending.
    pub image_endings: BTreeMap<String, u64>,
    pub examples: Examples,
    /// All of them, if their keys are to be kept.
    pub keys: Vec<IgnoredKey>,
}

impl Ignored {
    pub fn add(&mut self, ignored: IgnoredKey, keeps_key: bool) {
        *self.by.entry(ignored.reason).or_default() += 1;
        if ignored.reason == IgnoreReason::Name
            && let Some(ending) = filter::image_ending(&ignored.key)
        {
            *self.image_endings.entry(ending.to_owned()).or_default() += 1;
        }
        self.examples.add(Example::Ignored(ignored.reason), &ignored.key);
        if keeps_key {
            self.keys.push(ignored);
        }
    }

    pub fn merge(&mut self, later: Self) {
        for (reason, count) in later.by {
            *self.by.entry(reason).or_default() += count;
        }
        for (ending, count) in later.image_endings {
            *self.image_endings.entry(ending).or_default() += count;
        }
        self.examples.merge(&later.examples);
        self.keys.extend(later.keys);
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    pub listed: u64,
    pub ignored: u64,
    pub skipped: u64,
    pub ok: u64,
    pub with_exif: u64,
    pub failures: BTreeMap<FailureClass, u64>,
    /// Chunks so far. This is also the number of the next chunk.
    pub chunks: u64,
    pub invocations: u64,
    /// Attempts that Lambda throttled.
    pub invocations_throttled: u64,
    pub bytes_listed: u64,
    /// Of all processors.
    pub usage: Usage,
    /// Of fanout itself, in all invocations.
    pub requests: Requests,
    pub throttled: u64,
    pub elapsed_ms: u64,
    /// Files of failed keys that this generation has written.
    pub failed_files: u32,
    /// Failed keys that are not in a file yet.
    pub failed_keys: Vec<FailedKey>,
    #[serde(default)]
    pub ignored_by: BTreeMap<IgnoreReason, u64>,
    #[serde(default)]
    pub ignored_image_endings: BTreeMap<String, u64>,
    /// Files of ignored keys that this generation has written.
    #[serde(default)]
    pub ignored_files: u32,
    /// Ignored keys that are not in a file yet.
    #[serde(default)]
    pub ignored_keys: Vec<IgnoredKey>,
    #[serde(default)]
    pub examples: Examples,
    #[serde(default)]
    pub found: Found,
    #[serde(default)]
    pub series: Series,
    /// Of the last failed key.
    #[serde(default)]
    pub last_error: Option<String>,
    /// Chunks in which a key was denied.
    #[serde(default)]
    pub denied_chunks: u64,
    #[serde(default)]
    pub denied_in: CommonFolder,
    /// Of all keys that are known so far.
    #[serde(default)]
    pub listed_in: CommonFolder,
}

impl Counters {
    pub fn add_listed(&mut self, counts: ListedCounts) {
        self.listed += counts.listed;
        self.skipped += counts.skipped;
        self.bytes_listed += counts.bytes;
    }

    /// Counts objects that were left out. They are among `listed` already.
    pub fn add_ignored(&mut self, ignored: Ignored) {
        for (reason, count) in ignored.by {
            self.ignored += count;
            *self.ignored_by.entry(reason).or_default() += count;
        }
        for (ending, count) in ignored.image_endings {
            *self.ignored_image_endings.entry(ending).or_default() += count;
        }
        self.examples.merge(&ignored.examples);
        self.ignored_keys.extend(ignored.keys);
    }

    /// Counts a response, except its unprocessed keys.
    pub fn add_response(&mut self, response: ChunkResponse) {
        self.ok += response.ok;
        self.with_exif += response.with_exif;
        self.skipped += response.skipped;
        self.found.merge(response.found);
        self.examples.merge(&response.examples);
        self.usage.merge(&response.usage);
        let is_denied = |failed: &FailedKey| failed.class == FailureClass::AccessDenied;
        self.denied_chunks += u64::from(response.failed.iter().any(is_denied));
        for failed in response.failed {
            if is_denied(&failed) {
                self.denied_in.add(&failed.key);
            }
            self.count_failed(failed);
        }
    }

    /// Counts the images that an attempt had committed before it was given up.
    pub fn add_committed(&mut self, committed: Tally) {
        self.ok += committed.ok;
        self.with_exif += committed.with_exif;
        self.found.merge(committed.found);
        self.examples.merge(&committed.examples);
    }

    pub fn add_failed(&mut self, objects: &[ObjectRef], class: FailureClass, error: &str) {
        for object in objects {
            self.count_failed(FailedKey::new(object.key.clone(), class, error));
        }
    }

    /// Adds objects that no request can name. Their keys are URL-encoded.
    pub fn add_unnamed(&mut self, objects: &[ObjectRef]) {
        for object in objects {
            self.count_failed(FailedKey {
                url_encoded: true,
                ..FailedKey::new(object.key.clone(), FailureClass::Internal, NOT_UTF8)
            });
        }
    }

    fn count_failed(&mut self, failed: FailedKey) {
        self.last_error = Some(failed.error.clone());
        *self.failures.entry(failed.class).or_default() += 1;
        self.examples.add(Example::Failed(failed.class), &failed.key);
        self.failed_keys.push(failed);
    }

    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub fn processed(&self) -> u64 {
        self.ok + self.failed()
    }

    /// Requests and invocations that were throttled, without fanout's own requests of this invocation.
    fn throttled(&self) -> u64 {
        self.usage.throttled + self.invocations_throttled
    }

    /// What the series shows: images with an outcome, and throttles.
    pub fn totals(&self) -> (u64, u64) {
        (self.processed(), self.throttled())
    }

    pub fn pending(&self) -> u64 {
        self.listed - self.ignored - self.skipped - self.processed()
    }

    /// The reason to abort the job, if too many images failed. `rest` are the ends of the ranges that are not listed
    /// yet, if they are known.
    pub fn abort_reason(&self, job: &Job, rest: Option<Vec<&Key>>) -> Option<String> {
        let processed = self.processed();
        if processed < MIN_SAMPLE {
            return None;
        }
        if self.failed() as f64 * 100.0 > job.max_failed_percent * processed as f64 {
            let max = job.max_failed_percent;
            return Some(format!("more than {max} % of the images failed (max_failed_percent)"));
        }
        // A source may have one folder that is denied. If all images were denied so far, and if no other folder has
        // images, the others would be denied, too.
        let has_no_other = self.denied_in == CommonFolder::of(job.source.prefix.folder())
            || (self.denied_in == self.listed_in
                && rest.is_some_and(|ends| ends.into_iter().all(|end| self.denied_in.holds(end))));
        (self.denied_chunks >= MIN_DENIED_CHUNKS && has_no_other)
            .then(|| self.all_denied())
            .flatten()
    }

    /// The reason to abort the job, if all images so far were denied.
    pub fn all_denied(&self) -> Option<String> {
        let denied = self.failures.get(&FailureClass::AccessDenied).copied();
        let denied = denied.filter(|&denied| denied == self.processed())?;
        let error = self.last_error.as_deref().unwrap_or_default();
        Some(format!(
            "each of the first {denied} images failed with access_denied: {error}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    #[test]
    fn a_job_is_aborted_only_after_enough_images() {
        let request = Request {
            source: Some("s3://photos/".parse().unwrap()),
            destination: Some("s3://photos-out/".parse().unwrap()),
            max_failed_percent: Some(10.0),
            ..Request::default()
        };
        let job = Job::from_request(&request, "job").unwrap();
        let any = Job {
            max_failed_percent: 100.0,
            ..job.clone()
        };
        for (ok, denied, expected) in [
            (0, 499, None),
            (450, 50, None),
            (
                449,
                51,
                Some("more than 10 % of the images failed (max_failed_percent)"),
            ),
        ] {
            let counters = Counters {
                ok,
                failures: BTreeMap::from([(FailureClass::AccessDenied, denied)]),
                ..Counters::default()
            };
            assert_eq!(counters.abort_reason(&job, None).as_deref(), expected, "{ok} {denied}");
        }
        // ok, denied, chunks with a denied key, a folder with other keys, and whether the job is aborted.
        for (ok, denied, denied_chunks, other, is_aborted) in [
            (1, 499, 3, None, false),
            (0, 499, 3, None, false),
            (0, 500, 2, None, false),
            (0, 500, 3, None, true),
            (0, 9_000, 30, None, true),
            (0, 9_000, 30, Some("private/more/"), true),
            (0, 9_000, 30, Some("public/"), false),
        ] {
            let (inside, end, outside) = (Key::from("private/x"), Key::from("private0"), Key::from("q"));
            let mut counters = Counters {
                ok,
                failures: BTreeMap::from([(FailureClass::AccessDenied, denied)]),
                denied_chunks,
                ..Counters::default()
            };
            counters.denied_in.add(&"private/a.jpg".into());
            counters.listed_in = counters.denied_in.clone();
            if let Some(folder) = other {
                counters.listed_in.add(&format!("{folder}b.jpg").into());
            }
            let aborted = |rest| counters.abort_reason(&any, rest).is_some();
            for rest in [vec![], vec![&inside], vec![&inside, &end]] {
                assert_eq!(aborted(Some(rest)), is_aborted, "{ok} {denied} {other:?}");
            }
            assert!(!aborted(None) && !aborted(Some(vec![&inside, &outside])));
            assert_eq!(counters.all_denied().is_some(), ok == 0);
        }
    }
}
