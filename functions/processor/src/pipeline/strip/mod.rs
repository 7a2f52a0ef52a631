//! Writes the same picture without its metadata.

mod large;

use std::collections::HashMap;

use shared::metadata;
use shared::object::{ObjectMeta, ObjectRef, ObjectUri};
use shared::protocol::failure::Failure;
use shared::strip::strip_whole;

use super::outcome::{Recorded, StageTimes};
use super::task::Task;
pub use large::Output;

impl Task<'_> {
    /// Downloads the whole image, strips it, reads the output again, and writes it. The record says what the image held.
    pub async fn strip(&self, object: &ObjectRef, target: &ObjectUri) -> Result<Recorded, Failure> {
        let clock = self.pipeline.clock;
        let started = clock.now();
        let object = &self.with_size(object).await?;
        let size = object.size.unwrap_or(u64::MAX);
        if !self.takes_twice(size) {
            // On the heap, because the future is large and few images need it.
            return Box::pin(self.strip_large(object, target)).await;
        }
        let _held = self.hold(size.saturating_mul(2)).await?;
        let (meta, bytes) = self.get(object, None).await?;
        let downloaded = clock.now();
        let metadata = metadata::read_whole(bytes.clone());
        let extracted = clock.now();
        let stripped = strip_whole(bytes, &metadata, self.pipeline.settings.strip.options)?;
        let (mut record, _) = self.record(&meta, metadata);
        record.warnings.extend(stripped.warnings);
        let transformed = clock.now();
        let headers = without_names(&meta, &self.pipeline.settings.strip.keep_user_metadata);
        self.put(target, stripped.bytes, headers, HashMap::new()).await?;
        let times = StageTimes {
            download: downloaded - started,
            exif: extracted - downloaded,
            transform: Some(transformed - extracted),
            upload: Some(clock.now() - transformed),
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    /// Whether an image of this size is held as a whole, together with its output.
    fn takes_twice(&self, size: u64) -> bool {
        self.takes_whole(size) && self.pipeline.limits.memory.fits(size.saturating_mul(2))
    }

    /// An object with its size, which an event may not say.
    async fn with_size(&self, object: &ObjectRef) -> Result<ObjectRef, Failure> {
        if object.size.is_some() {
            return Ok(object.clone());
        }
        Ok(self.read_metadata(object).await?.object)
    }
}

/// Headers without a file name, and without user metadata except that with these names: they may tell what the output no longer
/// shows.
pub(super) fn without_names(source: &ObjectMeta, keep: &[String]) -> ObjectMeta {
    let disposition = source.content_disposition.as_deref();
    let kind = disposition.and_then(|text| text.split(';').next());
    let is_kept = |name: &str| keep.iter().any(|kept| kept.eq_ignore_ascii_case(name));
    let kept = source.user_metadata.iter().filter(|(name, _)| is_kept(name));
    ObjectMeta {
        content_disposition: kind.map(|kind| kind.trim().to_owned()),
        user_metadata: kept.map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..source.clone()
    }
}
