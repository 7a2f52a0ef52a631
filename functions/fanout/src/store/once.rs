//! Files that are written once, with `If-None-Match`.

use aws_sdk_s3::Client;
use bytes::Bytes;
use shared::object::ObjectUri;
use shared::s3::{self, ConditionalWrite};

use super::error::Error;

/// Takes the result of a write. It is no error if the file exists with the same bytes: usually, an earlier try has
/// written it, and its response was lost.
pub async fn settle(s3: &Client, file: ObjectUri, bytes: &Bytes, written: ConditionalWrite) -> Result<(), Error> {
    if let ConditionalWrite::Written(_) = written {
        return Ok(());
    }
    let (_, found) = s3::get_latest(s3, &file).await?;
    if found == bytes {
        return Ok(());
    }
    Err(Error::Occupied { uri: file })
}
