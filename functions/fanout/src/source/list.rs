//! Reads a list of keys as a stream, 1,000 rows at a time. The list is CSV or has one JSON object per line, and may be
//! gzipped.

use std::pin::pin;

use async_compression::tokio::bufread::GzipDecoder;
use aws_sdk_s3::Client;
use csv_async::StringRecord;
use futures::StreamExt;
use shared::object::{Key, S3Uri};
use shared::s3;
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::either::Either;

use super::candidate::Candidate;
use super::csv::{CsvError, CsvRecords, MAX_RECORD_BYTES};
use super::cursor::{Format, KeyList};
use super::error::Error;
use super::rows::Rows;

/// Rows in one batch.
const BATCH_ROWS: usize = 1000;

/// Some rows, and the rest of the list after them.
#[derive(Debug)]
pub struct Batch {
    pub rows: Vec<Candidate>,
    /// The rest of the list from these rows on.
    pub from: KeyList,
    /// `None` at the end.
    pub next: Option<KeyList>,
}

/// Receives the batches of a list. A task reads the list, one batch ahead.
pub struct ListReader(mpsc::Receiver<Result<Batch, Error>>);

impl ListReader {
    pub fn start(s3: Client, source: S3Uri, list: KeyList) -> Self {
        let (batches, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            if let Err(error) = read(&s3, &source, list, &batches).await {
                // Sending fails only if the job has ended.
                let _ = batches.send(Err(error)).await;
            }
        });
        Self(receiver)
    }

    pub async fn next(&mut self) -> Result<Batch, Error> {
        let ended = || Error::Task("reading a list".to_owned());
        self.0.recv().await.unwrap_or_else(|| Err(ended()))
    }
}

type Batches = mpsc::Sender<Result<Batch, Error>>;

async fn read(client: &Client, source: &S3Uri, mut list: KeyList, sender: &Batches) -> Result<(), Error> {
    let (meta, body) = s3::open_latest(client, &list.uri, list.etag.as_ref()).await?;
    list.etag = meta.etag;
    let body = pin!(decoded(body, has_ending(&list.uri.key, "gz")));
    let rows = Rows::new(source.clone(), list.format.clone());
    let format = list.format.clone();
    let batcher = Batcher {
        read: 0,
        rows: Vec::with_capacity(BATCH_ROWS),
        list,
        batches: sender,
    };
    match format {
        Format::Inventory { .. } | Format::Csv => read_csv(body, rows, batcher).await,
        Format::Ndjson => read_lines(body, rows, batcher).await,
    }
}

fn decoded(body: impl AsyncBufRead, is_gzipped: bool) -> impl AsyncRead {
    if is_gzipped {
        let mut decoder = GzipDecoder::new(body);
        decoder.multiple_members(true);
        Either::Left(decoder)
    } else {
        Either::Right(body)
    }
}

async fn read_csv(body: impl AsyncRead + Unpin + Send, mut rows: Rows, mut batcher: Batcher<'_>) -> Result<(), Error> {
    let mut records = CsvRecords::new(body);
    let mut record = StringRecord::new();
    let mut is_empty = true;
    loop {
        let found = records.next(&mut record).await;
        let found = found.map_err(|error| batcher.csv_error(records.line, error))?;
        if !found {
            break;
        }
        is_empty = false;
        let row = rows.csv_record(&record);
        if let Some(row) = row.map_err(|problem| batcher.bad_row(records.line, problem))?
            && !batcher.take(row).await
        {
            return Ok(());
        }
    }
    if is_empty && batcher.list.format == Format::Csv {
        return Err(Error::EmptyCsv(batcher.list.uri));
    }
    batcher.finish().await;
    Ok(())
}

async fn read_lines(body: impl AsyncRead + Unpin, mut rows: Rows, mut batcher: Batcher<'_>) -> Result<(), Error> {
    let mut lines = FramedRead::new(body, LinesCodec::new_with_max_length(MAX_RECORD_BYTES));
    let mut number = 0;
    while let Some(line) = lines.next().await {
        number += 1;
        let line = line.map_err(|error| batcher.line_error(number, error))?;
        let row = rows.json_line(&line);
        if let Some(row) = row.map_err(|problem| batcher.bad_row(number, problem))?
            && !batcher.take(row).await
        {
            return Ok(());
        }
    }
    batcher.finish().await;
    Ok(())
}

/// Collects rows, and sends them in batches.
struct Batcher<'a> {
    list: KeyList,
    /// Rows read so far.
    read: u64,
    rows: Vec<Candidate>,
    batches: &'a Batches,
}

impl Batcher<'_> {
    /// Takes a row. Returns false if nobody waits for more rows.
    async fn take(&mut self, row: Candidate) -> bool {
        self.read += 1;
        if self.read <= self.list.rows {
            // An earlier batch had this row. It was read again only to find duplicates.
            return true;
        }
        self.rows.push(row);
        if self.rows.len() < BATCH_ROWS {
            return true;
        }
        let from = self.list.clone();
        self.list.rows = self.read;
        let batch = Batch {
            rows: std::mem::replace(&mut self.rows, Vec::with_capacity(BATCH_ROWS)),
            from,
            next: Some(self.list.clone()),
        };
        self.batches.send(Ok(batch)).await.is_ok()
    }

    async fn finish(self) {
        let batch = Batch {
            rows: self.rows,
            from: self.list,
            next: None,
        };
        // Sending fails only if the job has ended.
        let _ = self.batches.send(Ok(batch)).await;
    }

    fn bad_row(&self, line: u64, problem: String) -> Error {
        Error::Row {
            list: self.list.uri.clone(),
            line,
            problem,
        }
    }

    fn csv_error(&self, line: u64, error: CsvError) -> Error {
        let list = self.list.uri.clone();
        match error {
            CsvError::TooLong => Error::RecordTooLong { list, line },
            CsvError::Invalid(problem) => Error::Row { list, line, problem },
            CsvError::Io(source) => self.body_error(line, source),
        }
    }

    fn line_error(&self, line: u64, error: LinesCodecError) -> Error {
        match error {
            LinesCodecError::MaxLineLengthExceeded => Error::RecordTooLong {
                list: self.list.uri.clone(),
                line,
            },
            LinesCodecError::Io(source) => self.body_error(line, source),
        }
    }

    /// The error of a body that cannot be read. Bytes that are not valid gzip or UTF-8 will not be valid the next time,
    /// so this is not retryable.
    fn body_error(&self, line: u64, source: std::io::Error) -> Error {
        match source.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => {
                self.bad_row(line, source.to_string())
            }
            _ => Error::Body {
                list: self.list.uri.clone(),
                source,
            },
        }
    }
}

pub(super) fn has_ending(key: &Key, ending: &str) -> bool {
    key.as_str()
        .rsplit_once('.')
        .is_some_and(|(_, last)| last.eq_ignore_ascii_case(ending))
}
