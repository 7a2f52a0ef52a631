use anyhow::Context as _;
use aws_sdk_s3::Client;
use bytes::Bytes;
use shared::destination::Destination;
use shared::modes::Images;
use shared::object::{Key, KeyTooLong, ObjectRef, ObjectUri, S3Uri};
use shared::protocol::job::Report;
use shared::s3;
use shared::transform::Rendition;

/// A job that has ended.
#[derive(Clone, Copy)]
pub struct FinishedJob<'a> {
    pub s3: &'a Client,
    pub source: &'a S3Uri,
    pub destination: &'a Destination,
    pub report: &'a Report,
    pub wanted: &'a Wanted,
}

/// What a job writes of each image.
#[derive(Clone, Debug)]
pub enum Wanted {
    Copy,
    Stripped,
    Rendition(Rendition),
}

impl Wanted {
    pub fn images(&self) -> Images {
        match self {
            Self::Copy => Images::Copy,
            Self::Stripped => Images::Strip,
            Self::Rendition(_) => Images::Transform,
        }
    }
}

impl FinishedJob<'_> {
    /// Reads an image and its output. `target` gives the output for a relative key.
    pub async fn read_both(
        &self,
        key: &Key,
        target: impl FnOnce(&str) -> Result<ObjectUri, KeyTooLong>,
    ) -> anyhow::Result<(Bytes, Bytes)> {
        let relative = key
            .relative_to(&self.source.prefix)
            .context("this key was listed, but is not below the source prefix")?;
        let target = target(relative)?;
        let original = ObjectRef::latest(key.clone());
        let original = s3::get_object(self.s3, &self.source.bucket, &original, None);
        let ((_, original), (_, output)) = tokio::try_join!(original, s3::get_latest(self.s3, &target))?;
        Ok((original, output))
    }
}
