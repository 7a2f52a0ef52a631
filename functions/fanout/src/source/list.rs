//! The rows of a list of keys, a thousand at a time: CSV or one JSON object a line, plain or gzipped,
//! read as it comes.

use std::pin::pin;

use async_compression::tokio::bufread::GzipDecoder;
use aws_sdk_s3::Client;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use shared::failure::{Class, Failure};
use shared::s3::{quoted, unquoted};
use shared::uri::S3Uri;
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::either::Either;

use super::Candidate;
use super::rows::Rows;

/// Rows in one batch.
const BATCH: usize = 1000;

/// The longest line: a key of 1,024 bytes, URL-encoded, and every column there is, fit many times.
const MAX_LINE: usize = 64 * 1024;

/// A list of keys, from some row on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// Where it is.
    pub uri: S3Uri,
    /// What it was when it was first opened: the rest must come from the same list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    pub format: Format,
    /// Rows that have been read.
    pub rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// CSV of S3 Inventory: the columns are named in its manifest, keys are URL-encoded.
    Inventory { columns: Vec<String> },
    /// CSV whose first line names the columns; keys are plain.
    Csv,
    /// One JSON object a line; keys are plain.
    Ndjson,
}

/// Some rows, and where to go on behind them.
#[derive(Debug)]
pub struct Batch {
    pub rows: Vec<Candidate>,
    /// `None` at the end.
    pub next: Option<KeyList>,
}

/// A list that is being read, ahead of what is asked for by a batch.
pub struct Reading(mpsc::Receiver<Result<Batch, Failure>>);

impl Reading {
    pub fn start(s3: Client, source: S3Uri, list: KeyList) -> Self {
        let (batches, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            if let Err(failure) = read(&s3, &source, list, &batches).await {
                // Nobody waits for it when the job has ended.
                let _ = batches.send(Err(failure)).await;
            }
        });
        Self(receiver)
    }

    pub async fn next(&mut self) -> Result<Batch, Failure> {
        let ended = || Failure::new(Class::Internal, "the reading of a list ended without a word");
        self.0.recv().await.unwrap_or_else(|| Err(ended()))
    }
}

async fn read(
    s3: &Client,
    source: &S3Uri,
    mut list: KeyList,
    batches: &mpsc::Sender<Result<Batch, Failure>>,
) -> Result<(), Failure> {
    let what = format!("GetObject {}", list.uri);
    let output = s3
        .get_object()
        .bucket(&list.uri.bucket)
        .key(&list.uri.prefix)
        .set_if_match(list.etag.as_deref().map(quoted))
        .send()
        .await
        .map_err(|error| Failure::of(&what, &error))?;
    list.etag = output.e_tag.as_deref().map(|etag| unquoted(etag).to_owned());
    let body = output.body.into_async_read();
    let body = if has_ending(&list.uri.prefix, "gz") {
        let mut decoder = GzipDecoder::new(body);
        decoder.multiple_members(true);
        Either::Left(decoder)
    } else {
        Either::Right(body)
    };
    let mut lines = pin!(FramedRead::new(body, LinesCodec::new_with_max_length(MAX_LINE)));

    let mut rows = Rows::new(source.clone(), list.format.clone());
    let mut batch = Vec::with_capacity(BATCH);
    let mut number = 0;
    let mut read = 0;
    while let Some(line) = lines.next().await {
        number += 1;
        let wrong = |problem: String| Failure::new(Class::Corrupt, format!("{}, line {number}: {problem}", list.uri));
        let line = match line {
            Ok(line) => line,
            Err(LinesCodecError::MaxLineLengthExceeded) => {
                return Err(wrong(format!("it is longer than {MAX_LINE} bytes")));
            }
            Err(LinesCodecError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(wrong(error.to_string()));
            }
            Err(LinesCodecError::Io(error)) => {
                return Err(Failure::new(Class::Timeout, format!("{what}: {error}")));
            }
        };
        let Some(row) = rows.row(&line, number == 1).map_err(wrong)? else {
            continue;
        };
        read += 1;
        if read <= list.rows {
            // It came out before; reading it again has only told what is a duplicate.
            continue;
        }
        batch.push(row);
        if batch.len() == BATCH {
            list.rows = read;
            let batch = Batch {
                rows: std::mem::replace(&mut batch, Vec::with_capacity(BATCH)),
                next: Some(list.clone()),
            };
            if batches.send(Ok(batch)).await.is_err() {
                return Ok(());
            }
        }
    }
    if number == 0 && list.format == Format::Csv {
        let problem = format!("{} is empty: its first line must name the columns", list.uri);
        return Err(Failure::new(Class::Corrupt, problem));
    }
    // Nobody waits for it when the job has ended.
    let _ = batches
        .send(Ok(Batch {
            rows: batch,
            next: None,
        }))
        .await;
    Ok(())
}

pub(super) fn has_ending(key: &str, ending: &str) -> bool {
    key.rsplit_once('.')
        .is_some_and(|(_, last)| last.eq_ignore_ascii_case(ending))
}
