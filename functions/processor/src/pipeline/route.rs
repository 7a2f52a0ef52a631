//! What each mode does with an image. A new mode does not compile until each of these has decided.

use shared::failure::{Class, Failure};
use shared::modes::Images;
use shared::s3::ObjectId;

use super::Pipeline;
use super::outcome::Recorded;
use super::task::Task;
use crate::image::Image;
use crate::records::RecordSink;

impl Task<'_> {
    /// Processes one version of an object: reads it, and writes what the mode and the record sink ask for.
    pub async fn route(&self, image: &Image, id: &ObjectId) -> Result<Recorded, Failure> {
        if let Some(class) = &image.storage_class {
            let error = format!("it is in {class}: restore it first");
            return Err(Failure::new(Class::Archived, error));
        }
        let settings = &self.pipeline.settings;
        // Before anything is written: of an image whose sidecar cannot be written nothing is.
        let sidecar = match settings.sink {
            RecordSink::Sidecar => Some(self.sidecar_key(image)?),
            RecordSink::None | RecordSink::Chunk(_) | RecordSink::Event => None,
        };
        let recorded = match settings.images {
            Images::None => self.read_only(id).await?,
            Images::Copy => self.copy(id, &self.image_key(image)?).await?,
            Images::Upload => self.upload(id, &self.image_key(image)?).await?,
        };
        if let Some(key) = sidecar {
            self.write_sidecar(key, &recorded.record).await?;
        }
        if settings.sink == RecordSink::Event {
            self.write_event_file(&recorded.record).await?;
        }
        Ok(recorded)
    }

    fn image_key(&self, image: &Image) -> Result<String, Failure> {
        let destination = &self.pipeline.settings.destination;
        destination.image(&image.relative_key).ok_or_else(too_long)
    }

    fn sidecar_key(&self, image: &Image) -> Result<String, Failure> {
        let destination = &self.pipeline.settings.destination;
        destination.sidecar(&image.relative_key).ok_or_else(too_long)
    }
}

fn too_long() -> Failure {
    Failure::new(
        Class::KeyTooLong,
        "with our folder in front its key would be longer than 1,024 bytes",
    )
}

impl Pipeline<'_> {
    /// How many bytes are transferred to write an image of this size.
    pub fn transferred_bytes(&self, size: u64) -> u64 {
        match self.settings.images {
            Images::None => 0,
            // S3 copies several times as fast as a function can.
            Images::Copy => size / 8,
            Images::Upload => size.saturating_mul(2),
        }
    }

    /// Whether what is written goes by the key alone, so that it overwrites what another version of the object left.
    pub fn overwrites(&self) -> bool {
        let image = match self.settings.images {
            Images::None => false,
            Images::Copy | Images::Upload => true,
        };
        image || self.settings.sink == RecordSink::Sidecar
    }
}
