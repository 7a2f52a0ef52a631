//! The layout of the destination: every key the functions write is made here.

use crate::key;
use crate::uri::S3Uri;

/// A bucket and the folder in it under which all output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub bucket: String,
    /// Empty, or ending in `/`.
    folder: String,
}

/// Takes the place of a job's id in what is written of objects that came by event.
pub const EVENTS: &str = "events";

/// The folders below a destination.
const FOLDERS: [&str; 4] = ["images/", "records/", "sidecars/", "jobs/"];

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "destination {destination} lies inside the source: its folder {folder} and source {source_uri} \
     overlap, so output would be read as input; use another bucket or prefix"
)]
pub struct Overlap {
    destination: String,
    source_uri: String,
    folder: String,
}

impl From<S3Uri> for Destination {
    fn from(uri: S3Uri) -> Self {
        let mut folder = uri.prefix;
        if !folder.is_empty() && !folder.ends_with('/') {
            folder.push('/');
        }
        Self {
            bucket: uri.bucket,
            folder,
        }
    }
}

impl Destination {
    #[must_use]
    pub fn uri(&self) -> S3Uri {
        S3Uri {
            bucket: self.bucket.clone(),
            prefix: self.folder.clone(),
        }
    }

    /// Where the processed image goes; `None` when S3 would refuse the key as too long.
    #[must_use]
    pub fn image(&self, relative_key: &str) -> Option<String> {
        let key = self.image_of_any_length(relative_key);
        (key.len() <= key::MAX_BYTES).then_some(key)
    }

    /// The same also where it is no key, for comparing.
    #[must_use]
    pub fn image_of_any_length(&self, relative_key: &str) -> String {
        format!("{}images/{relative_key}", self.folder)
    }

    /// The record of one image, in a file of its own; `None` when S3 would refuse the key as too long.
    #[must_use]
    pub fn sidecar(&self, relative_key: &str) -> Option<String> {
        let key = format!("{}sidecars/{relative_key}.json", self.folder);
        (key.len() <= key::MAX_BYTES).then_some(key)
    }

    /// The record file of one attempt at a chunk of a job.
    #[must_use]
    pub fn records(&self, job_id: &str, chunk: u64, attempt: crate::chunk::Attempt) -> String {
        format!("{}{chunk}-{attempt}.ndjson", self.records_folder(job_id))
    }

    /// Where the record files of a job are.
    #[must_use]
    pub fn records_folder(&self, job_id: &str) -> String {
        format!("{}records/job={job_id}/", self.folder)
    }

    /// The record file of one object that came by event. `date` is `YYYY-MM-DD`.
    #[must_use]
    pub fn event_record(&self, date: &str, id: &str) -> String {
        format!("{}records/job={EVENTS}-{date}/{id}.ndjson", self.folder)
    }

    /// Where it is written down that one object that came by event failed for good.
    #[must_use]
    pub fn event_failed(&self, id: &str) -> String {
        format!("{}{id}.ndjson", self.failed_folder(EVENTS))
    }

    #[must_use]
    pub fn job(&self, job_id: &str) -> String {
        format!("{}jobs/{job_id}/job.json", self.folder)
    }

    /// Where fanout writes down how far it is, for the invocation that goes on after it.
    #[must_use]
    pub fn checkpoint(&self, job_id: &str) -> String {
        format!("{}jobs/{job_id}/checkpoint.json", self.folder)
    }

    /// The `number`-th file of failed keys that one generation of a job wrote.
    #[must_use]
    pub fn failed(&self, job_id: &str, generation: u32, number: u32) -> String {
        format!("{}{generation}-{number}.ndjson", self.failed_folder(job_id))
    }

    /// Where the files of failed keys of a job are.
    #[must_use]
    pub fn failed_folder(&self, job_id: &str) -> String {
        format!("{}jobs/{job_id}/failed/", self.folder)
    }

    /// Refuses a source that could match anything written here.
    pub fn check_apart_from(&self, source: &S3Uri) -> Result<(), Overlap> {
        if self.bucket != source.bucket {
            return Ok(());
        }
        for folder in FOLDERS {
            let output = format!("{}{folder}", self.folder);
            if output.starts_with(&source.prefix) || source.prefix.starts_with(&output) {
                return Err(Overlap {
                    destination: self.uri().to_string(),
                    source_uri: source.to_string(),
                    folder: folder.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Whether an object is one of our own outputs.
    #[must_use]
    pub fn holds(&self, bucket: &str, key: &str) -> bool {
        self.bucket == bucket
            && key
                .strip_prefix(&self.folder)
                .is_some_and(|rest| FOLDERS.iter().any(|folder| rest.starts_with(folder)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(uri: &str) -> Destination {
        uri.parse::<S3Uri>().unwrap().into()
    }

    #[test]
    fn keys_are_made_below_the_folder() {
        let out = destination("s3://out/2024");
        assert_eq!(out.image("a//b.jpg").unwrap(), "2024/images/a//b.jpg");
        assert_eq!(
            out.records("j1", 17, "1-23".parse().unwrap()),
            "2024/records/job=j1/17-1-23.ndjson"
        );
        assert_eq!(out.failed("j1", 2, 3), "2024/jobs/j1/failed/2-3.ndjson");
        assert_eq!(destination("s3://out").job("j1"), "jobs/j1/job.json");
        assert_eq!(out.image(&"x".repeat(1012)).unwrap().len(), 1024);
        assert_eq!(out.image(&"x".repeat(1013)), None);
    }

    #[test]
    fn overlapping_sources_are_refused() {
        for (source, target, apart) in [
            ("s3://bkt/images/", "s3://bkt/", false),
            ("s3://bkt/images/2024/", "s3://bkt/", false),
            ("s3://bkt/", "s3://bkt/out/", false),
            ("s3://bkt/im", "s3://bkt/", false),
            ("s3://bkt/jobs/x/", "s3://bkt/", false),
            ("s3://bkt/o", "s3://bkt/out/", false),
            ("s3://bkt/out/records/", "s3://bkt/out", false),
            ("s3://bkt/photos/", "s3://bkt/", true),
            ("s3://bkt/photos/", "s3://bkt/out/", true),
            ("s3://bkt/out/photos/", "s3://bkt/out/", true),
            ("s3://bkt/images/", "s3://other/", true),
        ] {
            let source: S3Uri = source.parse().unwrap();
            let result = destination(target).check_apart_from(&source);
            assert_eq!(result.is_ok(), apart, "{source} to {target}");
        }
    }

    #[test]
    fn own_outputs_are_known() {
        let out = destination("s3://bkt/out/");
        assert!(out.holds("bkt", "out/images/a.jpg"));
        assert!(!out.holds("bkt", "out/a.jpg"));
        assert!(!out.holds("other", "out/images/a.jpg"));
    }
}
