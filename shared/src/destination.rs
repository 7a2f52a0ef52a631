//! The layout of the destination. Every key that the functions write is made here.

use crate::object::{Bucket, Key, KeyTooLong, MAX_KEY_BYTES, ObjectUri, Prefix, S3Uri};
use crate::protocol::attempt::Attempt;
use crate::transform::Rendition;

/// Where images are written, and where everything else is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    images: Folder,
    /// For records, sidecars, and the files of jobs. Often the same folder: see [`RECORDS_SETTING`].
    records: Folder,
}

/// A folder of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    bucket: Bucket,
    /// Empty, or ends in `/`.
    path: String,
}

/// A folder with one output of each image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFolder {
    folder: Folder,
    /// What is appended to each key, without the dot.
    extension: Option<&'static str>,
}

/// The settings that name the folders of a [`Destination`]. Without the second one, everything goes into the same folder.
const IMAGES_SETTING: &str = "destination";
const RECORDS_SETTING: &str = "records_destination";

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

const IMAGES: &str = "images/";

/// The folders beside the images.
const OTHERS: [&str; 3] = ["records/", "sidecars/", "jobs/"];

/// Two folders overlap.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Overlap {
    /// The setting to change: `destination` or `records_destination`.
    pub setting: &'static str,
    problem: String,
}

impl From<S3Uri> for Destination {
    fn from(uri: S3Uri) -> Self {
        Self::new(uri, None)
    }
}

impl Destination {
    /// Without `records`, everything goes to `images`.
    #[must_use]
    pub fn new(images: S3Uri, records: Option<S3Uri>) -> Self {
        let images = Folder::from(images);
        Self {
            records: records.map_or_else(|| images.clone(), Folder::from),
            images,
        }
    }

    /// Where images are written.
    #[must_use]
    pub fn uri(&self) -> S3Uri {
        self.images.below("")
    }

    /// Where records, sidecars, and the files of jobs are written.
    #[must_use]
    pub fn records_uri(&self) -> S3Uri {
        self.records.below("")
    }

    /// The same, if it is another folder than that of the images.
    #[must_use]
    pub fn separate_records_uri(&self) -> Option<S3Uri> {
        (self.records != self.images).then(|| self.records_uri())
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
            folder: Folder::from(self.images.below(IMAGES)),
            extension: None,
        }
    }

    /// Where a rendition of all images is written.
    #[must_use]
    pub fn renditions(&self, rendition: &Rendition) -> OutputFolder {
        let mut outputs = self.images();
        if let Some(name) = &rendition.name {
            outputs.folder.path.push_str(name);
            outputs.folder.path.push('/');
        }
        outputs.extension = rendition.format.extension();
        outputs
    }

    /// The sidecar of one image. Fails if its key would be too long for S3.
    pub fn sidecar(&self, relative_key: &str) -> Result<ObjectUri, KeyTooLong> {
        Ok(ObjectUri {
            bucket: self.records.bucket.clone(),
            key: Key::checked(format!("{}sidecars/{relative_key}.json", self.records.path))?,
        })
    }

    /// The record file of one attempt at a chunk.
    #[must_use]
    pub fn records(&self, job_id: &str, chunk: u64, attempt: Attempt) -> ObjectUri {
        self.records
            .object(format!("records/job={job_id}/{chunk}-{attempt}.ndjson"))
    }

    /// The folder with the sidecars.
    #[must_use]
    pub fn sidecars_folder(&self) -> S3Uri {
        self.records.below("sidecars/")
    }

    /// The folder with the files of all jobs.
    #[must_use]
    pub fn jobs_folder(&self) -> S3Uri {
        self.records.below("jobs/")
    }

    /// The folder with the record files of a job.
    #[must_use]
    pub fn records_folder(&self, job_id: &str) -> S3Uri {
        self.records.below(&format!("records/job={job_id}/"))
    }

    /// The record file of one object that arrived by event. `date` is `YYYY-MM-DD`.
    #[must_use]
    pub fn event_record(&self, date: &str, id: &str) -> ObjectUri {
        self.records.object(format!("records/job={EVENTS}-{date}/{id}.ndjson"))
    }

    /// The record file of one batch of a Distributed Map. `job` is a job id, and `id` names the batch.
    #[must_use]
    pub fn batch_records(&self, job: &str, id: &str) -> ObjectUri {
        self.records.object(format!("records/job={job}/{id}.ndjson"))
    }

    /// The file that reports one object that arrived by event and failed for a reason that is not retryable.
    #[must_use]
    pub fn event_failed(&self, id: &str) -> ObjectUri {
        self.records.object(format!("jobs/{EVENTS}/failed/{id}.ndjson"))
    }

    /// `job.json`, the report of a job.
    #[must_use]
    pub fn job(&self, job_id: &str) -> ObjectUri {
        self.records.object(format!("jobs/{job_id}/job.json"))
    }

    /// `checkpoint.json`, with which another invocation of fanout continues the job.
    #[must_use]
    pub fn checkpoint(&self, job_id: &str) -> ObjectUri {
        self.records.object(format!("jobs/{job_id}/checkpoint.json"))
    }

    /// The `number`-th file of failed keys that one generation of a job wrote.
    #[must_use]
    pub fn failed(&self, job_id: &str, generation: u32, number: u32) -> ObjectUri {
        self.records
            .object(format!("jobs/{job_id}/failed/{generation}-{number}.ndjson"))
    }

    /// The `number`-th file of ignored keys that one generation of a job wrote.
    #[must_use]
    pub fn ignored(&self, job_id: &str, generation: u32, number: u32) -> ObjectUri {
        self.records
            .object(format!("jobs/{job_id}/ignored/{generation}-{number}.ndjson"))
    }

    /// The report of a job as a page.
    #[must_use]
    pub fn page(&self, job_id: &str) -> ObjectUri {
        self.records.object(format!("jobs/{job_id}/report.html"))
    }

    /// The `number`-th file with objects of chunks that one generation of a job wrote.
    #[must_use]
    pub fn body(&self, job_id: &str, generation: u32, number: u64) -> ObjectUri {
        self.records
            .object(format!("jobs/{job_id}/chunks/{generation}-{number}.ndjson"))
    }

    /// The folder with the files of failed keys of a job.
    #[must_use]
    pub fn failed_folder(&self, job_id: &str) -> S3Uri {
        self.records.below(&format!("jobs/{job_id}/failed/"))
    }

    /// Refuses a source that could match a key that is written here, and records that would lie among the images.
    pub fn check_apart_from(&self, source: &S3Uri) -> Result<(), Overlap> {
        self.check_records_apart()?;
        for (setting, own, folder) in self.folders() {
            let written = own.below(folder);
            if written.overlaps(source) {
                let problem = format!(
                    "{setting} {} lies inside the source: its folder {folder} and the source {source} overlap, so output \
                     would be read as input; use another bucket or prefix",
                    own.below("")
                );
                return Err(Overlap { setting, problem });
            }
        }
        Ok(())
    }

    /// Refuses records that would lie among the images, or images among the records.
    pub fn check_records_apart(&self) -> Result<(), Overlap> {
        let images = self.images.below(IMAGES);
        for folder in OTHERS {
            if self.records.below(folder).overlaps(&images) {
                let setting = RECORDS_SETTING;
                let problem = format!(
                    "{setting} {} is not apart from the images: its folder {folder} and {images} overlap; use another bucket \
                     or prefix",
                    self.records_uri()
                );
                return Err(Overlap { setting, problem });
            }
        }
        Ok(())
    }

    /// Whether an object is output in this destination.
    #[must_use]
    pub fn holds(&self, bucket: &Bucket, key: &Key) -> bool {
        self.folders().any(|(_, own, folder)| {
            let rest = key.as_str().strip_prefix(&own.path);
            own.bucket == *bucket && rest.is_some_and(|rest| rest.starts_with(folder))
        })
    }

    /// Every folder that is written: the setting that names where it is, and its name.
    fn folders(&self) -> impl Iterator<Item = (&'static str, &Folder, &'static str)> {
        let records = match self.separate_records_uri() {
            Some(_) => RECORDS_SETTING,
            None => IMAGES_SETTING,
        };
        let others = OTHERS.into_iter().map(move |folder| (records, &self.records, folder));
        std::iter::once((IMAGES_SETTING, &self.images, IMAGES)).chain(others)
    }
}

impl From<S3Uri> for Folder {
    fn from(uri: S3Uri) -> Self {
        let mut path = uri.prefix.to_string();
        if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        Self {
            bucket: uri.bucket,
            path,
        }
    }
}

impl Folder {
    fn below(&self, path: &str) -> S3Uri {
        S3Uri {
            bucket: self.bucket.clone(),
            prefix: Prefix::from(format!("{}{path}", self.path)),
        }
    }

    /// One of our own files. The length of its key is not checked: the file name is short, and so is every folder
    /// that can be written to.
    fn object(&self, path: String) -> ObjectUri {
        ObjectUri {
            bucket: self.bucket.clone(),
            key: Key::from(if self.path.is_empty() {
                path
            } else {
                format!("{}{path}", self.path)
            }),
        }
    }
}

impl OutputFolder {
    /// The output of one image. Fails if its key would be too long for S3.
    pub fn output(&self, relative_key: &str) -> Result<ObjectUri, KeyTooLong> {
        let mut key = format!("{}{relative_key}", self.folder.path);
        if let Some(extension) = self.extension {
            key.push('.');
            key.push_str(extension);
        }
        Ok(ObjectUri {
            bucket: self.folder.bucket.clone(),
            key: Key::checked(key)?,
        })
    }

    /// What the keys of outputs start with if the relative keys of their images start with `start`. If this is too long
    /// for S3, it is cut, and a few more outputs start with it.
    #[must_use]
    pub fn starting_with(&self, start: &str) -> S3Uri {
        let mut prefix = format!("{}{start}", self.folder.path);
        prefix.truncate(prefix.floor_char_boundary(MAX_KEY_BYTES));
        S3Uri {
            bucket: self.folder.bucket.clone(),
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
    fn records_have_a_place_of_their_own() {
        let uri = |text: &str| text.parse::<S3Uri>().unwrap();
        let out = Destination::new(uri("s3://public/"), Some(uri("s3://private/2024")));
        assert_eq!(out.image("a.jpg").unwrap().to_string(), "s3://public/images/a.jpg");
        for (file, expected) in [
            (out.sidecar("a.jpg").unwrap(), "s3://private/2024/sidecars/a.jpg.json"),
            (out.job("j"), "s3://private/2024/jobs/j/job.json"),
            (out.event_failed("id"), "s3://private/2024/jobs/events/failed/id.ndjson"),
        ] {
            assert_eq!(file.to_string(), expected);
        }
        assert_eq!(out.separate_records_uri(), Some(uri("s3://private/2024/")));
        let same = Destination::new(uri("s3://public/a"), Some(uri("s3://public/a/")));
        assert_eq!(same.separate_records_uri(), None);
        assert!(out.holds(&Bucket::new("private").unwrap(), &"2024/records/x".into()));
        assert!(!out.holds(&Bucket::new("public").unwrap(), &"records/x".into()));
    }

    #[test]
    fn records_among_images_or_sources_are_refused() {
        for (images, records, source, setting) in [
            (
                "s3://public/",
                "s3://public/images/",
                "s3://photos/",
                Some(RECORDS_SETTING),
            ),
            (
                "s3://public/",
                "s3://public/images/private/",
                "s3://photos/",
                Some(RECORDS_SETTING),
            ),
            (
                "s3://public/records/",
                "s3://public/",
                "s3://photos/",
                Some(RECORDS_SETTING),
            ),
            ("s3://public/", "s3://photos/", "s3://photos/", Some(RECORDS_SETTING)),
            ("s3://photos/", "s3://private/", "s3://photos/", Some(IMAGES_SETTING)),
            ("s3://public/", "s3://public/private/", "s3://photos/", None),
            ("s3://public/", "s3://photos/private/", "s3://photos/2024/", None),
        ] {
            let uri = |text: &str| text.parse::<S3Uri>().unwrap();
            let out = Destination::new(uri(images), Some(uri(records)));
            let refused = out.check_apart_from(&uri(source)).err();
            assert_eq!(
                refused.map(|overlap| overlap.setting),
                setting,
                "{images}, {records}, {source}"
            );
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
