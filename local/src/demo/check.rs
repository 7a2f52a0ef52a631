//! Checks that a job did what its report says: compares every object of the source with the destination.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use futures::{StreamExt, stream};
use serde::Deserialize;
use shared::filter::Names;
use shared::metadata::read_whole;
use shared::object::{Key, ObjectUri, S3Uri};
use shared::protocol::failure::{FailedKey, FailureClass};
use shared::protocol::job::Report;
use shared::transform::Rendition;
use shared::{s3, strip};

use super::finished_job::{FinishedJob, Wanted};
use super::renditions::Made;
use crate::terminal::bar;

const MAX_IN_FLIGHT: usize = 32;

/// What was compared, and which problems were found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Number of images with the same bytes in source and destination.
    pub identical: usize,
    /// Number of images that have exactly one record.
    pub records: usize,
    /// Number of images with the same picture and no metadata.
    pub stripped: usize,
    /// The pictures that were made, if the job makes any.
    pub made: Made,
    /// Images of which no picture can be made.
    pub left_out: Vec<FailedKey>,
    pub problems: Vec<String>,
    /// Up to three records with EXIF, as lines.
    pub samples: Vec<String>,
}

impl Checked {
    pub fn wrong(&mut self, problem: String) {
        self.problems.push(problem);
    }

    #[must_use]
    pub fn is_right(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Compares the source with the destination, and the records and counters with both: copies byte by byte, the sizes of
/// renditions, and what stripped images still say.
pub async fn job(job: FinishedJob<'_>) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    account(job.report, &mut checked);
    failures(job, &mut checked).await?;

    let names = Names::new(None, &[], job.wanted.images())?;
    let mut images = keys(job.s3, job.source).await?;
    images.retain(|key| names.accept(key) && !checked.left_out.iter().any(|failed| failed.key == *key));
    match job.wanted {
        Wanted::Rendition(rendition) => pictures(job, rendition, &images, &mut checked).await,
        Wanted::Copy => checked.identical = each(&images, &mut checked.problems, |key| copy(job, key)).await,
        Wanted::Stripped => checked.stripped = each(&images, &mut checked.problems, |key| stripped(job, key)).await,
    }
    records(job, &images, &mut checked).await?;
    Ok(checked)
}

/// Checks each image, many at the same time. Returns how many are right.
async fn each<'k, C>(images: &'k [Key], problems: &mut Vec<String>, check: impl Fn(&'k Key) -> C) -> usize
where
    C: Future<Output = anyhow::Result<()>>,
{
    let progress = bar(images.len(), "checked");
    let mut results = stream::iter(images).map(check).buffered(MAX_IN_FLIGHT);
    let mut right = 0;
    while let Some(result) = results.next().await {
        match result {
            Ok(()) => right += 1,
            Err(problem) => problems.push(format!("{problem:#}")),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    right
}

async fn pictures(job: FinishedJob<'_>, rendition: &Rendition, images: &[Key], checked: &mut Checked) {
    let progress = bar(images.len(), "checked");
    let mut made = Made::default();
    for key in images {
        if let Err(problem) = made.check(job, rendition, key).await {
            checked.wrong(format!("{problem:#}"));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    checked.made = made;
}

fn account(report: &Report, checked: &mut Checked) {
    let sum = report.ignored + report.skipped + report.ok + report.failed + report.pending;
    if report.listed != sum || report.pending != 0 {
        checked.wrong(format!(
            "the counters do not add up: {} listed, but {} ignored + {} skipped + {} ok + {} failed + {} pending",
            report.listed, report.ignored, report.skipped, report.ok, report.failed, report.pending
        ));
    }
}

/// Adds each failed key to the problems, or to what is left out.
async fn failures(job: FinishedJob<'_>, checked: &mut Checked) -> anyhow::Result<()> {
    use FailureClass::{Corrupt, TooLarge, Unsupported};
    let FinishedJob {
        s3,
        destination,
        report,
        ..
    } = job;
    let mut reported = 0;
    for file in files(s3, &destination.failed_folder(&report.job_id)).await? {
        let (_, body) = s3::get_latest(s3, &file).await?;
        for line in std::str::from_utf8(&body)?.lines() {
            let failed: FailedKey = serde_json::from_str(line).with_context(|| format!("not a failed key: {line}"))?;
            // No picture can be made of some files, and that is a right outcome.
            let is_copied = matches!(job.wanted, Wanted::Copy);
            if !is_copied && matches!(failed.class, Unsupported | Corrupt | TooLarge) {
                checked.left_out.push(failed);
            } else {
                checked.wrong(format!("{:?} failed: {}: {}", failed.key, failed.class, failed.error));
            }
            reported += 1;
        }
    }
    if reported != report.failed {
        checked.wrong(format!(
            "the report has {} failed keys, but the files of failed keys have {reported}",
            report.failed
        ));
    }
    Ok(())
}

/// Reads a stripped image as the processor does.
async fn stripped(job: FinishedJob<'_>, key: &Key) -> anyhow::Result<()> {
    let (original, output) = job.read_both(key, |relative| job.destination.image(relative)).await?;
    strip::check(&read_whole(original), &read_whole(output), strip::Options::default())
        .with_context(|| format!("the output of {key:?}"))
}

async fn copy(job: FinishedJob<'_>, key: &Key) -> anyhow::Result<()> {
    let (original, copied) = job.read_both(key, |relative| job.destination.image(relative)).await?;
    anyhow::ensure!(original == copied, "the copy of {key:?} differs from it");
    Ok(())
}

/// Checks that each image has exactly one record.
async fn records(job: FinishedJob<'_>, images: &[Key], checked: &mut Checked) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Line {
        key: Key,
        exif: Option<serde::de::IgnoredAny>,
    }
    let FinishedJob {
        s3,
        destination,
        report,
        ..
    } = job;
    let mut found: HashMap<Key, usize> = images.iter().map(|key| (key.clone(), 0)).collect();
    let mut with_exif = 0;
    for file in files(s3, &destination.records_folder(&report.job_id)).await? {
        let (_, body) = s3::get_latest(s3, &file).await?;
        for line in std::str::from_utf8(&body)?.lines() {
            let record: Line = serde_json::from_str(line).with_context(|| format!("not a record: {line}"))?;
            with_exif += u64::from(record.exif.is_some());
            if record.exif.is_some() && checked.samples.len() < 3 {
                checked.samples.push(line.to_owned());
            }
            match found.get_mut(&record.key) {
                Some(times) => *times += 1,
                None => checked.wrong(format!(
                    "{:?} has a record, but is not an image of the source",
                    record.key
                )),
            }
        }
    }
    for (key, times) in found {
        if times == 1 {
            checked.records += 1;
        } else {
            checked.wrong(format!("{key:?} has {times} records instead of one"));
        }
    }
    if checked.records as u64 != report.ok || with_exif != report.with_exif {
        checked.wrong(format!(
            "{} images have one record, and {with_exif} records have EXIF; the report says {} ok, {} with EXIF",
            checked.records, report.ok, report.with_exif
        ));
    }
    Ok(())
}

/// Lists every object below a prefix.
async fn files(s3: &Client, folder: &S3Uri) -> anyhow::Result<Vec<ObjectUri>> {
    let object = |key| ObjectUri {
        bucket: folder.bucket.clone(),
        key,
    };
    Ok(keys(s3, folder).await?.into_iter().map(object).collect())
}

/// Lists every key below a prefix, decoded.
async fn keys(s3: &Client, folder: &S3Uri) -> anyhow::Result<Vec<Key>> {
    let mut pages = s3
        .list_objects_v2()
        .bucket(folder.bucket.as_str())
        .prefix(folder.prefix.as_str())
        .encoding_type(EncodingType::Url)
        .into_paginator()
        .send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        for object in page?.contents() {
            keys.push(Key::decode(object.key().unwrap_or_default())?);
        }
    }
    Ok(keys)
}
