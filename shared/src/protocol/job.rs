//! The state of a job, as in fanout's response and `job.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::diagnosis::Diagnosis;
use super::examples::Examples;
use super::failure::FailureClass;
use super::found::Found;
use super::ignored::IgnoreReason;
use super::series::Series;
use super::stages::StagesSummary;
use super::usage::Requests;
use crate::modes::{Images, Records};
use crate::object::S3Uri;
use crate::prices::Cost;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Running,
    Completed,
    /// Ended early. `reason` says why.
    Aborted,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What a plan expected of a job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    pub cost_usd: f64,
    pub seconds: f64,
}

/// How far a job is. At any time, `listed = ignored + skipped + ok + failed + pending`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub job_id: String,
    /// The job whose keys this redrive processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the numbers do not say by themselves, for example that nothing was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The invocation of fanout that wrote this, from 1.
    pub generation: u32,
    pub source: S3Uri,
    pub destination: S3Uri,
    /// Where records, sidecars and the files of jobs are, if not in the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_destination: Option<S3Uri>,
    /// What is written of each image, and how records are written. Absent in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Images>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// Whether the source is listed completely.
    #[serde(default)]
    pub listing_finished: bool,
    /// The estimated time to the end, at the rate so far. Absent before the listing has finished and after the job
    /// has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    pub listed: u64,
    /// Left out before they got an outcome, for example by the filters.
    pub ignored: u64,
    pub skipped: u64,
    pub ok: u64,
    pub with_exif: u64,
    pub failed: u64,
    pub pending: u64,
    pub failures: BTreeMap<FailureClass, u64>,
    #[serde(default)]
    pub ignored_by: BTreeMap<IgnoreReason, u64>,
    /// Of the keys that are ignored for their names, those with the ending of an image: how many by ending.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ignored_image_endings: BTreeMap<String, u64>,
    #[serde(default)]
    pub examples: Examples,
    /// Of the images that are `ok`.
    #[serde(default)]
    pub found: Found,
    #[serde(default)]
    pub series: Series,
    /// So far: of every processor that responded, and of fanout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// What a plan said before the job began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Planned>,
    pub chunks: u64,
    pub invocations: u64,
    /// Requests of fanout and of every processor that responded.
    pub requests: Requests,
    pub throttled: u64,
    pub bytes_listed: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub elapsed_ms: u64,
    pub images_per_second: f64,
    /// CPU time of the processors per processed image.
    pub cpu_ms_per_image: f64,
    pub stages: StagesSummary,
    /// What has limited the job so far. Absent if no image was processed.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
}
