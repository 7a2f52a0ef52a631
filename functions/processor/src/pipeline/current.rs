use shared::metadata::record::Record;
use shared::object::ObjectRef;
use shared::protocol::failure::{Failure, FailureClass};
use shared::s3::{self, ErrorKind};

use super::outcome::{Recorded, Unfinished};
use super::task::Task;
use crate::image::ObjectVersion;
use crate::outcome::Failed;

/// How often an object is taken again that was replaced while it was processed.
const MAX_REPLACEMENTS: u32 = 5;

impl Task<'_> {
    /// Processes the version of an object that is asked for.
    pub async fn process(&self) -> Result<Recorded, Unfinished> {
        match self.image.version {
            ObjectVersion::Exact => Ok(self.route(&self.image.object).await?),
            ObjectVersion::Latest => self.process_latest().await,
        }
    }

    /// Processes an object until what was written is the latest there is.
    ///
    /// Events come out of order, and while this one was at work the object may have been replaced and its
    /// successor's event been done. So whoever has written looks whether the object is still the one that
    /// was read, and takes the new one if not. The last to write a key then has always looked after the
    /// last replacement, or been followed by its event: an older result never stays. One that was replaced
    /// before it was read is no different: an earlier attempt at the same event may have written it, and ended
    /// before it looked.
    async fn process_latest(&self) -> Result<Recorded, Unfinished> {
        let mut object = self.image.object.clone();
        if object.etag.is_some() {
            // Whether this version is still the current one is told by the current one's `ETag`.
            object.version_id = None;
        }
        for _ in 0..MAX_REPLACEMENTS {
            match self.route(&object).await {
                Ok(recorded) => {
                    if !self.pipeline.overwrites() || self.is_current(&recorded.record).await? {
                        return Ok(recorded);
                    }
                }
                Err(failure) if failure.class != FailureClass::Changed => return Err(failure.into()),
                // Nothing that an earlier attempt wrote can be in the way of what its successor writes.
                Err(_) if !self.pipeline.overwrites() => return Err(Unfinished::Superseded),
                Err(_) => {}
            }
            object = ObjectRef::latest(object.key);
        }
        // In time it is replaced less often than it is processed.
        Err(Unfinished::Failed(Failed::retryable(
            FailureClass::Changed,
            format!("it was replaced {MAX_REPLACEMENTS} times while it was processed"),
        )))
    }

    /// Whether an object is still what was read of it.
    async fn is_current(&self, record: &Record) -> Result<bool, Failure> {
        let latest = ObjectRef::latest(record.origin.key.clone());
        let _connection = self.turn_to_read().await;
        match s3::head_object(&self.pipeline.clients.reads, &self.image.bucket, &latest).await {
            Ok(latest) => Ok(latest.etag == record.origin.etag),
            // Deleted since: there is nothing newer. Without the permission to list S3 says so with a 403.
            Err(gone) if matches!(gone.kind, ErrorKind::NotFound | ErrorKind::AccessDenied) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
