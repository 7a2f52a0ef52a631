//! The content of the buckets: the images, and the outputs of the measured programs.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_s3::Client;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use shared::destination::Destination;
use shared::modes::Images;
use shared::object::S3Uri;

use super::program::Load;
use crate::photos::DESTINATION;

#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub size: i64,
    pub etag: String,
}

pub async fn list(s3: &Client, bucket: &str, prefix: &str) -> anyhow::Result<Vec<Entry>> {
    let mut pages = s3
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .into_paginator()
        .send();
    let mut entries = Vec::new();
    while let Some(page) = pages.next().await {
        entries.extend(page?.contents.unwrap_or_default().into_iter().map(|object| Entry {
            key: object.key.unwrap_or_default(),
            size: object.size.unwrap_or_default(),
            etag: object.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
        }));
    }
    Ok(entries)
}

/// The number of images with correct outputs: a copy with the same bytes (or none in mode `none`), or all renditions,
/// and one record if `with_records`.
pub async fn right(s3: &Client, images: &[Entry], load: &Load, with_records: bool) -> anyhow::Result<u64> {
    let destination = Destination::from(format!("s3://{DESTINATION}/").parse::<S3Uri>()?);
    let renditions = load
        .transform
        .as_ref()
        .map_or(&[][..], |transform| &transform.renditions);
    let copies: HashMap<String, String> = list(s3, DESTINATION, "images/")
        .await?
        .into_iter()
        .map(|copy| (copy.key, copy.etag))
        .collect();
    let records = if with_records {
        records(s3).await?
    } else {
        HashMap::new()
    };
    let is_right = |image: &&Entry| {
        let copy = copies.get(&format!("images/{}", image.key));
        let is_copied = match load.mode {
            Images::None => copy.is_none(),
            Images::Copy | Images::Upload => copy == Some(&image.etag),
            // Tests compare the pictures; here it counts that each is there.
            Images::Strip => copy.is_some(),
            Images::Transform => renditions.iter().all(|rendition| {
                let output = destination.rendition(rendition, &image.key);
                output.is_ok_and(|output| copies.contains_key(output.key.as_str()))
            }),
        };
        is_copied && (!with_records || records.get(&image.key) == Some(&1))
    };
    Ok(images.iter().filter(is_right).count() as u64)
}

/// Counts the records of each key.
async fn records(s3: &Client) -> anyhow::Result<HashMap<String, usize>> {
    let files = list(s3, DESTINATION, "records/").await?;
    let bodies: Vec<_> = stream::iter(files)
        .map(|file| async {
            let object = s3.get_object().bucket(DESTINATION).key(file.key).send().await?;
            anyhow::Ok(object.body.collect().await?.into_bytes())
        })
        .buffer_unordered(64)
        .try_collect()
        .await?;
    let mut records = HashMap::new();
    for body in bodies {
        for line in std::str::from_utf8(&body)?.lines() {
            let record: Value = serde_json::from_str(line)?;
            let key = record["key"].as_str().context("a record has no key")?;
            *records.entry(key.to_owned()).or_default() += 1;
        }
    }
    Ok(records)
}
