//! Uploads the source images through the SDK.

use std::path::Path;

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use futures::{StreamExt, TryStreamExt, stream};
use shared::filter::MAX_OBJECT_BYTES;
use shared::object::S3Uri;
use tokio::task::spawn_blocking;

use crate::dataset;
use crate::s3::files;
use crate::terminal::bar;

const MAX_IN_FLIGHT: usize = 32;

/// Uploads sample photos, some of them under awkward keys. Returns how many.
pub async fn samples(s3: &Client, source: &S3Uri, count: usize) -> anyhow::Result<usize> {
    let progress = bar(count, "photos");
    stream::iter(0..count)
        .map(|index| async move {
            let photo = spawn_blocking(move || dataset::photo(index)).await??;
            anyhow::Ok((dataset::key(index), photo))
        })
        .buffer_unordered(MAX_IN_FLIGHT)
        .try_for_each_concurrent(MAX_IN_FLIGHT, |(key, photo)| {
            let progress = &progress;
            async move {
                put(s3, source, &key, photo.into()).await?;
                progress.inc(1);
                Ok(())
            }
        })
        .await?;
    progress.finish_and_clear();
    Ok(count)
}

/// Uploads every file below a folder. Returns how many.
pub async fn folder(s3: &Client, source: &S3Uri, folder: &Path) -> anyhow::Result<usize> {
    let (files, too_large): (Vec<_>, Vec<_>) = files(folder)?.into_iter().partition(|(_, path)| fits(path));
    for (_, path) in too_large {
        println!("left out, because one upload has at most 5 GiB: {}", path.display());
    }
    let progress = bar(files.len(), "files");
    stream::iter(&files)
        .map(Ok)
        .try_for_each_concurrent(MAX_IN_FLIGHT, |(key, path)| {
            let progress = &progress;
            async move {
                let body = ByteStream::from_path(path)
                    .await
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                put(s3, source, key, body).await?;
                progress.inc(1);
                anyhow::Ok(())
            }
        })
        .await?;
    progress.finish_and_clear();
    Ok(files.len())
}

/// Whether one request can upload a file. One that cannot be read fails later, with a reason.
fn fits(path: &Path) -> bool {
    path.metadata()
        .map_or(true, |metadata| metadata.len() <= MAX_OBJECT_BYTES)
}

async fn put(s3: &Client, source: &S3Uri, key: &str, body: ByteStream) -> anyhow::Result<()> {
    let key = format!("{}{key}", source.prefix);
    s3.put_object()
        .bucket(source.bucket.as_str())
        .key(&key)
        .body(body)
        .send()
        .await
        .with_context(|| format!("{key:?} cannot be uploaded"))?;
    Ok(())
}
