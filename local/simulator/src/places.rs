//! Where the source and the outputs are, and the ids of the jobs.

pub const SOURCE_BUCKET: &str = "photos";
pub const SOURCE_PREFIX: &str = "in/";
pub const SOURCE: &str = "s3://photos/in/";

/// A list of the keys, beside the source.
pub const MANIFEST_KEY: &str = "lists/keys.ndjson";
pub const MANIFEST: &str = "s3://photos/lists/keys.ndjson";

pub const DESTINATION_BUCKET: &str = "photos-out";
pub const JOB_PREFIX: &str = "job/";
pub const DESTINATION: &str = "s3://photos-out/job/";

/// Where the outputs of events go.
pub const EVENTS_PREFIX: &str = "events/";
pub const EVENTS_DESTINATION: &str = "s3://photos-out/events/";

/// The first job. Its redrives are `job-2` and so on.
pub const JOB: &str = "job";

/// A redrive that is sent while the job may still run.
pub const EARLY: &str = "job-early";
