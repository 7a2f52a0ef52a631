use shared::metadata::record::Record;
use shared::object::ObjectRef;
use shared::protocol::failure::{Failure, FailureClass};
use shared::s3::{self, ErrorKind};

use super::outcome::{Recorded, Unfinished};
use super::task::Task;
use crate::image::ObjectVersion;
use crate::outcome::Failed;

/// How many times an object is processed at most, if it is replaced each time.
const MAX_REPLACEMENTS: u32 = 5;

impl Task<'_> {
    /// Processes the version of the object that the caller wants.
    pub async fn process(&self) -> Result<Recorded, Unfinished> {
        match self.image.version {
            ObjectVersion::Exact => Ok(self.route(&self.image.object).await?),
            ObjectVersion::Latest => self.process_latest().await,
        }
    }

    /// Processes an object until the version that was written is the latest one.
    ///
    /// Events can arrive out of order. While the event of a version is processed, the object may be replaced, and the
    /// event of the new version may be processed completely. So this function checks after each write whether the
    /// object is still the one that was read. If not, it processes the new version.
    ///
    /// Therefore an old result never stays. If the object is replaced before the check, the check finds this. If it is
    /// replaced after the check, the event of the new version comes after this write.
    ///
    /// An object that was replaced before it was read is also processed in its new version. An earlier try of the same
    /// event may have written the old version, and then ended before its check.
    async fn process_latest(&self) -> Result<Recorded, Unfinished> {
        let mut object = self.image.object.clone();
        if object.etag.is_some() {
            // Without a version id, S3 reads the current version, and the `ETag` shows whether it is this one.
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
                // Each version has output keys of its own, so an old result cannot replace a new one.
                Err(_) if !self.pipeline.overwrites() => return Err(Unfinished::Superseded),
                Err(_) => {}
            }
            object = ObjectRef::latest(object.key);
        }
        // Retryable, because the object is probably replaced less often later.
        Err(Unfinished::Failed(Failed::retryable(
            FailureClass::Changed,
            format!("it was replaced {MAX_REPLACEMENTS} times while it was processed"),
        )))
    }

    /// Whether the object is still the one that was read.
    async fn is_current(&self, record: &Record) -> Result<bool, Failure> {
        let latest = ObjectRef::latest(record.origin.key.clone());
        let _connection = self.turn_to_read().await;
        match s3::head_object(&self.pipeline.clients.reads, &self.image.bucket, &latest).await {
            Ok(latest) => Ok(latest.etag == record.origin.etag),
            // The object was deleted, so there is no newer one. Without the permission to list, S3 responds with 403.
            Err(gone) if matches!(gone.kind, ErrorKind::NotFound | ErrorKind::AccessDenied) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
