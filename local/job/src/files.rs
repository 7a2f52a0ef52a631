//! Reads the files of jobs in the destination.

use anyhow::{Context as _, anyhow};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use shared::object::ObjectUri;
use shared::protocol::job::Report;
use shared::s3::{self, ErrorKind};

use crate::target::{Target, hint};

impl Target {
    /// The report of a job, from its file. `None` if there is none yet.
    pub async fn report(&self, job_id: &str) -> anyhow::Result<Option<Report>> {
        let file = self.destination.job(job_id);
        match s3::get_latest(&self.s3, &file).await {
            Ok((_, body)) => {
                let report = serde_json::from_slice(&body);
                report.map(Some).with_context(|| format!("{file} is not understood"))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&file, &error)),
        }
    }

    /// The ids of all jobs, in the order of their names.
    pub async fn jobs(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.destination.jobs_folder();
        let prefix = folder.prefix.as_str();
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(folder.bucket.as_str())
            .prefix(prefix)
            .delimiter("/")
            .into_paginator()
            .send();
        let mut jobs = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                anyhow!(
                    "{folder} cannot be listed: {}{}",
                    s3::Cause::from_sdk(&error),
                    hint(error.code(), "s3:ListBucket on the bucket of the destination")
                )
            })?;
            let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            let names = folders.filter_map(|folder| folder.strip_prefix(prefix)?.strip_suffix('/'));
            // Not jobs: failures of events, and results of a Distributed Map.
            jobs.extend(
                names
                    .filter(|name| !["events", "map"].contains(name))
                    .map(str::to_owned),
            );
        }
        Ok(jobs)
    }
}

fn unreadable(file: &ObjectUri, error: &s3::Error) -> anyhow::Error {
    let hint = if error.kind == ErrorKind::AccessDenied {
        "; your user or role needs the permissions s3:GetObject and s3:ListBucket on the destination's folder jobs/"
    } else {
        ""
    };
    anyhow!("{file} cannot be read: {error}{hint}")
}
