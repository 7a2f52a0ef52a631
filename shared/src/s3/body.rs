//! Reads the body of a response: piece by piece, with a limit on its length and on its pauses.

use std::io;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::error::with_causes;

/// A body that sends no byte for this long has stalled. S3's usual pauses are shorter. A new request costs little,
/// while a chunk waits for its slowest image.
pub const STALL_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// The most memory that is reserved before a body has arrived. For a body that claims to be longer, memory grows with
/// the bytes that arrive.
const MAX_RESERVED_BYTES: usize = 64 * 1024 * 1024;

/// Why a body is not what its headers say.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("no byte arrived for {} s", STALL_GRACE_PERIOD.as_secs())]
    Stalled,
    /// The connection broke off, or the bytes do not match the checksum.
    #[error("{0}")]
    Broken(String),
    #[error("received {received} bytes where {expected} were asked for")]
    WrongLength { received: u64, expected: u64 },
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Stalled => io::ErrorKind::TimedOut,
            BodyError::Broken(_) | BodyError::WrongLength { .. } => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error)
    }
}

/// The next piece of a body. `None` at its end.
pub async fn next_chunk(body: &mut ByteStream) -> Result<Option<Bytes>, BodyError> {
    match timeout(STALL_GRACE_PERIOD, body.next()).await {
        Err(_) => Err(BodyError::Stalled),
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(BodyError::Broken(with_causes(&error))),
    }
}

/// Reads a whole body of `expected` bytes. `seen` gets each piece as it arrives.
///
/// Each piece is copied into memory of the right size. So the body is never held twice, and the connection can free
/// what it read ahead. A body that is longer than `expected` is not read further.
pub async fn collect(body: &mut ByteStream, expected: u64, mut seen: impl FnMut(&[u8])) -> Result<Bytes, BodyError> {
    let reserved = usize::try_from(expected).unwrap_or(usize::MAX).min(MAX_RESERVED_BYTES);
    let mut bytes = BytesMut::with_capacity(reserved);
    pass(body, expected, |chunk| {
        seen(chunk);
        bytes.extend_from_slice(chunk);
    })
    .await?;
    Ok(bytes.freeze())
}

/// Gives each piece of a body of `expected` bytes to `sink`.
pub async fn pass(body: &mut ByteStream, expected: u64, mut sink: impl FnMut(&[u8])) -> Result<(), BodyError> {
    let mut received = 0;
    while let Some(chunk) = next_chunk(body).await? {
        received += chunk.len() as u64;
        if received > expected {
            break;
        }
        sink(&chunk);
    }
    if received != expected {
        return Err(BodyError::WrongLength { received, expected });
    }
    Ok(())
}
