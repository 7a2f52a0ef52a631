//! The layout of the destination. Every key that the functions write is made here.

use crate::object::{Bucket, Key, KeyTooLong, MAX_KEY_BYTES, ObjectUri, Prefix, S3Uri};
use crate::protocol::attempt::Attempt;
use crate::transform::Rendition;

/// A bucket, and the folder in it for all output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub bucket: Bucket,
    /// Empty, or ends in `/`.
    folder: String,
}

/// A folder with one output of each image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFolder {
    bucket: Bucket,
    /// Ends in `/`.
    folder: String,
    /// What is appended to each key, without the dot.
    extension: Option<&'static str>,
}

/// Stands in place of a job id in the output of objects that arrived by event.
pub const EVENTS: &str = "events";

/// The text is no job id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a job id: give 1 to 128 letters, digits, hyphens, underscores and dots; not only dots, not events, and \
     not starting with events-"
)]
pub struct BadJobId(String);

/// Checks the id of a job, which is a part of keys.
pub fn check_job_id(id: &str) -> Result<(), BadJobId> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let dots_only = id.bytes().all(|byte| byte == b'.');
    let of_events = id == EVENTS || id.starts_with("events-");
    if (1..=128).contains(&id.len()) && id.bytes().all(plain) && !dots_only && !of_events {
        return Ok(());
    }
    Err(BadJobId(id.to_owned()))
}

/// The folders in a destination.
const FOLDERS: [&str; 4] = ["images/", "records/", "sidecars/", "jobs/"];

/// The destination overlaps the source.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "destination {destination} lies inside the source: its folder {folder} and the source {source_uri} \
     overlap, so output would be read as input; use another bucket or prefix"
)]
pub struct Overlap {
    destination: String,
    source_uri: String,
    folder: String,
}

impl From<S3Uri> for Destination {
    fn from(uri: S3Uri) -> Self {
        let mut folder = uri.prefix.to_string();
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
        self.below("")
    }

    /// Where the image is written. Fails if its key would be too long for S3.
    pub fn image(&self, relative_key: &str) -> Result<ObjectUri, KeyTooLong> {
        self.images().output(relative_key)
    }

    /// Where a rendition of the image is written. Fails if its key would be too long for S3.
    pub fn rendition(&self, rendition: &Rendition, relative_key: &str) -> Result<ObjectUri, KeyTooLong> {
        self.renditions(rendition).output(relative_key)
    }

    /// Where the images are written if each has one output: a copy.
    #[must_use]
    pub fn images(&self) -> OutputFolder {
        OutputFolder {
            bucket: self.bucket.clone(),
            folder: format!("{}images/", self.folder),
            extension: None,
        }
    }

    /// Where a rendition of all images is written.
    #[must_use]
    pub fn renditions(&self, rendition: &Rendition) -> OutputFolder {
        let mut outputs = self.images();
        if let Some(name) = &rendition.name {
            outputs.folder.push_str(name);
            outputs.folder.push('/');
        }
        outputs.extension = rendition.format.extension();
        outputs
    }

    /// The sidecar of one image. Fails if its key would be too long for S3.
    pub fn sidecar(&self, relative_key: &str) -> Result<ObjectUri, KeyTooLong> {
        Ok(ObjectUri {
            bucket: self.bucket.clone(),
            key: Key::checked(format!("{}sidecars/{relative_key}.json", self.folder))?,
        })
    }

    /// The record file of one attempt at a chunk.
    #[must_use]
    pub fn records(&self, job_id: &str, chunk: u64, attempt: Attempt) -> ObjectUri {
        self.object(format!("records/job={job_id}/{chunk}-{attempt}.ndjson"))
    }

    /// The folder with the record files of a job.
    #[must_use]
    pub fn records_folder(&self, job_id: &str) -> S3Uri {
        self.below(&format!("records/job={job_id}/"))
    }

    /// The record file of one object that arrived by event. `date` is `YYYY-MM-DD`.
    #[must_use]
    pub fn event_record(&self, date: &str, id: &str) -> ObjectUri {
        self.object(format!("records/job={EVENTS}-{date}/{id}.ndjson"))
    }

    /// The record file of one batch of a Distributed Map. `job` is a job id, and `id` names the batch.
    #[must_use]
    pub fn batch_records(&self, job: &str, id: &str) -> ObjectUri {
        self.object(format!("records/job={job}/{id}.ndjson"))
    }

    /// The file that reports one object that arrived by event and failed for a reason that is not retryable.
    #[must_use]
    pub fn event_failed(&self, id: &str) -> ObjectUri {
        self.object(format!("jobs/{EVENTS}/failed/{id}.ndjson"))
    }

    /// `job.json`, the report of a job.
    #[must_use]
    pub fn job(&self, job_id: &str) -> ObjectUri {
        self.object(format!("jobs/{job_id}/job.json"))
    }

    /// `checkpoint.json`, with which another invocation of fanout continues the job.
    #[must_use]
    pub fn checkpoint(&self, job_id: &str) -> ObjectUri {
        self.object(format!("jobs/{job_id}/checkpoint.json"))
    }

    /// The `number`-th file of failed keys that one generation of a job wrote.
    #[must_use]
    pub fn failed(&self, job_id: &str, generation: u32, number: u32) -> ObjectUri {
        self.object(format!("jobs/{job_id}/failed/{generation}-{number}.ndjson"))
    }

    /// The `number`-th file of ignored keys that one generation of a job wrote.
    #[must_use]
    pub fn ignored(&self, job_id: &str, generation: u32, number: u32) -> ObjectUri {
        self.object(format!("jobs/{job_id}/ignored/{generation}-{number}.ndjson"))
    }

    /// The report of a job as a page.
    #[must_use]
    pub fn page(&self, job_id: &str) -> ObjectUri {
        self.object(format!("jobs/{job_id}/report.html"))
    }

    /// The `number`-th file with objects of chunks that one generation of a job wrote.
    #[must_use]
    pub fn body(&self, job_id: &str, generation: u32, number: u64) -> ObjectUri {
        self.object(format!("jobs/{job_id}/chunks/{generation}-{number}.ndjson"))
    }

    /// The folder with the files of failed keys of a job.
    #[must_use]
    pub fn failed_folder(&self, job_id: &str) -> S3Uri {
        self.below(&format!("jobs/{job_id}/failed/"))
    }

    /// Refuses a source that could match a key that is written here.
    pub fn check_apart_from(&self, source: &S3Uri) -> Result<(), Overlap> {
        if self.bucket != source.bucket {
            return Ok(());
        }
        for folder in FOLDERS {
            if self.below(folder).prefix.overlaps(&source.prefix) {
                return Err(Overlap {
                    destination: self.uri().to_string(),
                    source_uri: source.to_string(),
                    folder: folder.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Whether an object is output in this destination.
    #[must_use]
    pub fn holds(&self, bucket: &Bucket, key: &Key) -> bool {
        self.bucket == *bucket
            && key
                .as_str()
                .strip_prefix(&self.folder)
                .is_some_and(|rest| FOLDERS.iter().any(|folder| rest.starts_with(folder)))
    }

    fn below(&self, path: &str) -> S3Uri {
        S3Uri {
            bucket: self.bucket.clone(),
            prefix: Prefix::from(format!("{}{path}", self.folder)),
        }
    }

    /// One of our own files. The length of its key is not checked: the file name is short, and so is every folder
    /// that can be written to.
    fn object(&self, path: String) -> ObjectUri {
        ObjectUri {
            bucket: self.bucket.clone(),
            key: Key::from(if self.folder.is_empty() {
                path
            } else {
                format!("{}{path}", self.folder)
            }),
        }
    }
}

impl OutputFolder {
    /// The output of one image. Fails if its key would be too long for S3.
    pub fn output(&self, relative_key: &str) -> Result<ObjectUri, KeyTooLong> {
        let mut key = format!("{}{relative_key}", self.folder);
        if let Some(extension) = self.extension {
            key.push('.');
            key.push_str(extension);
        }
        Ok(ObjectUri {
            bucket: self.bucket.clone(),
            key: Key::checked(key)?,
        })
    }

    /// What the keys of outputs start with if the relative keys of their images start with `start`. If this is too long
    /// for S3, it is cut, and a few more outputs start with it.
    #[must_use]
    pub fn starting_with(&self, start: &str) -> S3Uri {
        let mut prefix = format!("{}{start}", self.folder);
        prefix.truncate(prefix.floor_char_boundary(MAX_KEY_BYTES));
        S3Uri {
            bucket: self.bucket.clone(),
            prefix: Prefix::from(prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::Format;

    fn destination(uri: &str) -> Destination {
        uri.parse::<S3Uri>().unwrap().into()
    }

    #[test]
    fn keys_start_with_the_folder() {
        let out = destination("s3://out/2024");
        let attempt = "1-23".parse().unwrap();
        for (object, uri) in [
            (out.image("a//b.jpg").unwrap(), "s3://out/2024/images/a//b.jpg"),
            (
                out.records("j1", 17, attempt),
                "s3://out/2024/records/job=j1/17-1-23.ndjson",
            ),
            (out.failed("j1", 2, 3), "s3://out/2024/jobs/j1/failed/2-3.ndjson"),
            (destination("s3://out").job("j1"), "s3://out/jobs/j1/job.json"),
        ] {
            assert_eq!(object.to_string(), uri);
        }
        let mut rendition = Rendition {
            name: None,
            max_edge: 1024,
            format: Format::Keep,
            quality: 80,
        };
        let key = |rendition: &Rendition| out.rendition(rendition, "a/b.tif").unwrap().to_string();
        assert_eq!(key(&rendition), "s3://out/2024/images/a/b.tif");
        rendition.format = Format::Webp;
        assert_eq!(key(&rendition), "s3://out/2024/images/a/b.tif.webp");
        rendition.name = Some("small".to_owned());
        assert_eq!(key(&rendition), "s3://out/2024/images/small/a/b.tif.webp");
        let small = out.renditions(&rendition);
        assert_eq!(small.starting_with("a/b").to_string(), "s3://out/2024/images/small/a/b");
        let long = format!("a{}", "é".repeat(600));
        assert_eq!(small.starting_with(&long).prefix.as_str().len(), 1023);
        assert_eq!(out.failed_folder("j1").to_string(), "s3://out/2024/jobs/j1/failed/");
        assert_eq!(out.image(&"x".repeat(1012)).unwrap().key.as_str().len(), 1024);
        assert_eq!(out.image(&"x".repeat(1013)), Err(KeyTooLong(1025)));
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
    fn own_outputs_are_recognised() {
        let out = destination("s3://bkt/out/");
        let bucket = Bucket::new("bkt").unwrap();
        assert!(out.holds(&bucket, &"out/images/a.jpg".into()));
        assert!(!out.holds(&bucket, &"out/a.jpg".into()));
        assert!(!out.holds(&Bucket::new("other").unwrap(), &"out/images/a.jpg".into()));
    }
}
