//! What each mode does with an image. A new mode does not compile until it is handled here.

use shared::modes::Images;
use shared::object::{KeyTooLong, ObjectRef, ObjectUri};
use shared::protocol::failure::{Failure, FailureClass};

use super::Pipeline;
use super::outcome::Recorded;
use super::task::Task;
use crate::records::RecordSink;

impl Task<'_> {
    /// Processes one version of an object: reads it, and writes what the mode and the record sink ask for.
    pub async fn route(&self, object: &ObjectRef) -> Result<Recorded, Failure> {
        if let Some(class) = &object.storage_class {
            let error = format!("it is in the storage class {class}: restore it first");
            return Err(Failure::new(FailureClass::Archived, error));
        }
        let settings = &self.pipeline.settings;
        // Checked first, so that nothing is written for an image whose sidecar key is too long.
        let sidecar = match settings.sink {
            RecordSink::Sidecar => Some(self.sidecar_target()?),
            _ => None,
        };
        let recorded = match settings.images {
            Images::None => self.read_only(object).await?,
            Images::Copy => self.copy(object, &self.image_target()?).await?,
            Images::Upload => self.upload(object, &self.image_target()?).await?,
            Images::Strip => Box::pin(self.strip(object, &self.image_target()?)).await?,
            // On the heap, because the future is large.
            Images::Transform => Box::pin(self.transform(object)).await?,
        };
        let Recorded { record, json, .. } = &recorded;
        if let Some(target) = sidecar {
            self.write_sidecar(target, json.clone()).await?;
        }
        match settings.sink {
            RecordSink::Event => self.write_event_file(&record.origin, json).await?,
            RecordSink::Annotation => self.annotate(object, &record.origin, json.clone()).await?,
            RecordSink::None | RecordSink::Chunk(_) | RecordSink::Batch(_) | RecordSink::Sidecar => {}
        }
        Ok(recorded)
    }

    fn image_target(&self) -> Result<ObjectUri, Failure> {
        let destination = &self.pipeline.settings.destination;
        destination.image(&self.image.relative_key).map_err(too_long)
    }

    fn sidecar_target(&self) -> Result<ObjectUri, Failure> {
        let destination = &self.pipeline.settings.destination;
        destination.sidecar(&self.image.relative_key).map_err(too_long)
    }
}

pub(super) fn too_long(error: KeyTooLong) -> Failure {
    Failure::new(FailureClass::KeyTooLong, format!("its output key is too long: {error}"))
}

impl Pipeline<'_> {
    /// Whether output keys depend on the object's key alone, so that one version overwrites the output of another.
    pub fn overwrites(&self) -> bool {
        self.settings.images.profile().writes_image() || self.settings.sink == RecordSink::Sidecar
    }
}
