//! Reads CSV records as a stream. None may be longer than [`MAX_RECORD_BYTES`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use csv_async::{AsyncReader, AsyncReaderBuilder, ErrorKind, StringRecord};
use tokio::io::{AsyncRead, ReadBuf};

/// The longest CSV record or JSON line. A URL-encoded key of 1,024 bytes with all columns of an inventory needs much
/// less.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// How many bytes the reader may read beyond the current CSV record.
const BUFFER_BYTES: usize = 8 * 1024;

/// Why a CSV record cannot be read.
#[derive(Debug)]
pub enum CsvError {
    TooLong,
    Invalid(String),
    Io(io::Error),
}

pub struct CsvRecords<R> {
    reader: AsyncReader<Limited<R>>,
    /// The line where the last CSV record began, from 1.
    pub line: u64,
}

impl<R: AsyncRead + Unpin + Send> CsvRecords<R> {
    pub fn new(body: R) -> Self {
        let body = Limited {
            body,
            read: 0,
            limit: 0,
            quotes: 0,
        };
        let reader = AsyncReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .create_reader(body);
        Self { reader, line: 1 }
    }

    /// Reads the next CSV record. Returns false at the end.
    pub async fn next(&mut self, record: &mut StringRecord) -> Result<bool, CsvError> {
        let (start, line) = (self.reader.position().byte(), self.reader.position().line());
        self.line = line;
        self.reader.get_mut().limit = start + (MAX_RECORD_BYTES + BUFFER_BYTES) as u64;
        let found = self
            .reader
            .read_record(record)
            .await
            .map_err(|error| match error.into_kind() {
                ErrorKind::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                    Some(Malformed::TooLong) => CsvError::TooLong,
                    Some(malformed @ Malformed::OpenQuote) => CsvError::Invalid(malformed.to_string()),
                    None => CsvError::Io(error),
                },
                ErrorKind::Utf8 { err, .. } => CsvError::Invalid(err.to_string()),
                other => CsvError::Invalid(format!("{other:?}")),
            })?;
        // Blank lines before a CSV record do not belong to it.
        if let Some(position) = record.position().filter(|_| found) {
            self.line = position.line().max(line);
        }
        if self.reader.position().byte() - start > MAX_RECORD_BYTES as u64 {
            return Err(CsvError::TooLong);
        }
        Ok(found)
    }
}

/// An error that is found while bytes are read. It passes through the CSV reader as an I/O error.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("the record is too long")]
    TooLong,
    #[error("a quoted field has no closing quote")]
    OpenQuote,
}

/// A body that fails if a CSV record is too long, or if the body ends inside a quoted field.
struct Limited<R> {
    body: R,
    /// Bytes read so far.
    read: u64,
    /// The value of `read` by which the current CSV record must have ended.
    limit: u64,
    /// Quotes read so far. If the number is odd, the last byte is inside a quoted field.
    quotes: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for Limited<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read > this.limit {
            return Poll::Ready(Err(io::Error::other(Malformed::TooLong)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.body).poll_read(context, buffer))?;
        let new = &buffer.filled()[before..];
        if new.is_empty() && this.quotes % 2 == 1 {
            return Poll::Ready(Err(io::Error::other(Malformed::OpenQuote)));
        }
        this.read += new.len() as u64;
        this.quotes += new.iter().map(|&byte| usize::from(byte == b'"')).sum::<usize>();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, repeat};

    use super::*;

    async fn all(text: &[u8]) -> (Vec<Vec<String>>, Option<(u64, CsvError)>) {
        let mut records = CsvRecords::new(text);
        let (mut found, mut record) = (Vec::new(), StringRecord::new());
        loop {
            match records.next(&mut record).await {
                Ok(true) => found.push(record.iter().map(str::to_owned).collect()),
                Ok(false) => return (found, None),
                Err(error) => return (found, Some((records.line, error))),
            }
        }
    }

    #[tokio::test]
    async fn quoted_fields_hold_anything() {
        let (records, error) = all(b"a,\"b\nc\",\"d\"\"e\"\r\n\nf\n").await;
        assert_eq!(records, [vec!["a", "b\nc", "d\"e"], vec!["f"]]);
        assert!(error.is_none());
    }

    #[tokio::test]
    async fn a_long_record_is_an_error_with_its_line() {
        let fits = format!("a\n\"{}\"\n", "x".repeat(MAX_RECORD_BYTES - 3));
        let (records, error) = all(fits.as_bytes()).await;
        assert_eq!((records.len(), error.is_none()), (2, true));
        let long = format!("a\n\"{}\"\nb\n", "x".repeat(MAX_RECORD_BYTES - 2));
        let (records, error) = all(long.as_bytes()).await;
        assert_eq!(records.len(), 1);
        assert!(matches!(error, Some((2, CsvError::TooLong))), "{error:?}");
    }

    #[tokio::test]
    async fn a_quoted_field_without_a_closing_quote_is_an_error() {
        let (_, error) = all(b"a\nb\n\"c\nd").await;
        let Some((3, CsvError::Invalid(problem))) = error else {
            panic!("{error:?}")
        };
        assert!(problem.contains("a quoted field has no closing quote"), "{problem}");
        // A field of one terabyte: the reader must stop at the limit.
        let endless = (&b"a\n\""[..]).chain(repeat(b'\n').take(1 << 40));
        let mut records = CsvRecords::new(endless);
        let mut record = StringRecord::new();
        assert!(records.next(&mut record).await.unwrap());
        let error = records.next(&mut record).await.unwrap_err();
        assert!(matches!(error, CsvError::TooLong), "{error:?}");
        assert_eq!(records.line, 2);
        assert!(records.reader.get_ref().read < 2 * MAX_RECORD_BYTES as u64);
    }
}
