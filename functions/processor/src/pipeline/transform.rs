//! Makes other pictures of an image, and writes them.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use picture::{Limits, Orientation, Plan, Target};
use shared::metadata::{self, Metadata};
use shared::object::{ObjectMeta, ObjectRef, ObjectUri};
use shared::protocol::failure::{Failure, FailureClass};
use shared::s3;
use shared::transform::{Format, Metadata as Kept, Rendition};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::finish::{Finished, Source};
use super::outcome::{Recorded, StageTimes};
use super::route::too_long;
use super::strip::without_names;
use super::task::Task;
use crate::limits::Place;
use crate::settings::Purpose;

/// A whole image, with its memory, and its place before the CPU threads.
struct Whole<'a> {
    meta: ObjectMeta,
    bytes: Bytes,
    metadata: Metadata,
    held: OwnedSemaphorePermit,
    place: Place<'a>,
    download: Duration,
    exif: Duration,
}

/// The renditions of an image, and the memory of its file.
struct Made {
    outputs: Vec<Finished>,
    warnings: Vec<String>,
    /// Of the image.
    metadata: Metadata,
    held: OwnedSemaphorePermit,
    /// On the CPU thread, without the wait for it.
    time: Duration,
}

impl<'a> Task<'a> {
    /// Downloads the whole image, makes all renditions of it, and writes them. Nothing is written if one cannot be made.
    pub async fn transform(&self, object: &ObjectRef) -> Result<Recorded, Failure> {
        let settings = &self.pipeline.settings;
        let targets = settings.transform.renditions.iter().map(|rendition| {
            let target = settings.destination.rendition(rendition, &self.image.relative_key);
            target.map_err(too_long)
        });
        let targets: Vec<ObjectUri> = targets.collect::<Result<_, _>>()?;
        let Whole {
            meta,
            bytes,
            metadata,
            held,
            place,
            download,
            exif,
        } = self.read_whole(object).await?;
        let Made {
            outputs,
            warnings,
            metadata,
            held,
            time,
        } = self.make((bytes, held), place, metadata).await?;
        let (mut record, _) = self.record(&meta, metadata);
        record.warnings.extend(warnings);
        let started = self.pipeline.clock.now();
        let writes = targets
            .iter()
            .zip(outputs)
            .map(|(target, output)| self.write_output(target, output, &meta));
        try_join_all(writes).await?;
        // Until here, the files of the outputs took the place of that of the image.
        drop(held);
        let times = StageTimes {
            download,
            exif,
            transform: Some(time),
            upload: Some(self.pipeline.clock.now() - started),
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    async fn read_whole(&self, object: &ObjectRef) -> Result<Whole<'a>, Failure> {
        let clock = self.pipeline.clock;
        let Some(size) = object.size else {
            return self.read_after_metadata(object).await;
        };
        let place = self.place_before_cpu(size).await;
        let held = self.hold_file(size).await?;
        let started = clock.now();
        let (meta, bytes) = self.get(object, None).await?;
        let downloaded = clock.now();
        let metadata = metadata::read_whole(bytes.clone());
        Ok(Whole {
            meta,
            bytes,
            metadata,
            held,
            place,
            download: downloaded - started,
            exif: clock.now() - downloaded,
        })
    }

    /// Reads an image whose size is known only after a first read.
    async fn read_after_metadata(&self, object: &ObjectRef) -> Result<Whole<'a>, Failure> {
        let read = self.read_metadata(object).await?;
        // What was read is given back first: images that kept it could wait for each other forever.
        drop(read.whole);
        let place = self.place_before_cpu(read.meta.size).await;
        let held = self.hold_file(read.meta.size).await?;
        let started = self.pipeline.clock.now();
        let (meta, bytes) = self.get(&read.object, None).await?;
        Ok(Whole {
            meta,
            bytes,
            metadata: read.metadata,
            held,
            place,
            download: read.download + (self.pipeline.clock.now() - started),
            exif: read.exif,
        })
    }

    /// Waits until the CPU threads will soon need another image.
    async fn place_before_cpu(&self, bytes: u64) -> Place<'a> {
        self.timer.stopped(self.pipeline.limits.cpu.place(bytes)).await
    }

    /// Waits until the file of an image fits. It counts twice: see [`Limits`](crate::limits::Limits).
    async fn hold_file(&self, size: u64) -> Result<OwnedSemaphorePermit, Failure> {
        self.hold(size.saturating_mul(2)).await
    }

    /// Makes all renditions on a CPU thread.
    async fn make(
        &self,
        (bytes, held): (Bytes, OwnedSemaphorePermit),
        place: Place<'a>,
        metadata: Metadata,
    ) -> Result<Made, Failure> {
        let settings = &self.pipeline.settings;
        let pictures = &self.pipeline.limits.pictures;
        let limits = Limits {
            max_pixels: settings.max_pixels,
            max_memory: pictures.bytes(),
        };
        let orientation = orientation(&metadata);
        let renditions: Vec<picture::Rendition> = settings.transform.renditions.iter().map(rendition).collect();
        let kept = settings.transform.metadata;
        let plan = Plan::new(&bytes, &renditions, orientation, limits).map_err(|error| failure(&error))?;
        let memory = plan.memory();
        let (width, height) = plan.size();
        let is_ink = plan.is_ink();
        let cpu = &self.pipeline.limits.cpu;
        let turn = self.timer.stopped(cpu.turn(place)).await;
        let decoding = self.timer.stopped(pictures.hold(memory)).await?;
        let work = move || {
            let started = Instant::now();
            let made = Plan::new(&bytes, &renditions, orientation, limits).and_then(Plan::run);
            let finished = made.map(|(outputs, warnings)| {
                let source = Source {
                    bytes: &bytes,
                    metadata: &metadata,
                    size: (width, height),
                    is_as_wanted: orientation == Orientation::default() && !is_ink && warnings.is_empty(),
                };
                source.finish_all(outputs, warnings, kept)
            });
            // All memory counts until the work ends, even if nobody waits for it any longer.
            drop((bytes, decoding));
            (finished, metadata, held, started.elapsed())
        };
        let (finished, metadata, held, time) = cpu.run(turn, work).await;
        let (outputs, warnings) = finished.map_err(|error| failure(&error))?;
        self.pipeline.traffic.add_pixels(width as u64 * height as u64);
        Ok(Made {
            outputs,
            warnings,
            metadata,
            held,
            time,
        })
    }

    async fn write_output(&self, target: &ObjectUri, output: Finished, source: &ObjectMeta) -> Result<(), Failure> {
        let size = output.file.len() as u64;
        let meta = meta(source, &output, self.pipeline.settings.transform.metadata);
        if self.pipeline.settings.purpose == Purpose::Write {
            let _connection = self.turn_to_write().await;
            let writes = &self.pipeline.clients.writes;
            s3::put_image(writes, target, output.file, meta, HashMap::new()).await?;
        }
        self.pipeline.traffic.add_written(size);
        Ok(())
    }
}

fn orientation(metadata: &Metadata) -> Orientation {
    let value = metadata
        .exif
        .as_ref()
        .and_then(|exif| exif.orientation.as_ref()?.as_u64());
    Orientation::from_exif(value.and_then(|value| value.try_into().ok()).unwrap_or_default())
}

/// The headers of an output: those of the source that still hold.
fn meta(source: &ObjectMeta, output: &Finished, kept: Kept) -> ObjectMeta {
    let content_type = match output.format {
        picture::Format::Png => "image/png",
        picture::Format::WebP => "image/webp",
        picture::Format::Avif => "image/avif",
        _ => "image/jpeg",
    };
    ObjectMeta {
        content_type: Some(content_type.to_owned()),
        content_encoding: None,
        user_metadata: if kept == Kept::All {
            source.user_metadata.clone()
        } else {
            HashMap::new()
        },
        ..without_names(source, &[])
    }
}

fn rendition(rendition: &Rendition) -> picture::Rendition {
    picture::Rendition {
        max_edge: rendition.max_edge,
        target: match rendition.format {
            Format::Keep => Target::Keep,
            Format::Png => Target::Png,
            Format::Webp => Target::WebP,
            Format::Avif => Target::Avif,
            Format::Jpeg => Target::Jpeg,
        },
        quality: rendition.quality,
    }
}

fn failure(error: &picture::Error) -> Failure {
    let class = match error {
        picture::Error::Unsupported(_) => FailureClass::Unsupported,
        picture::Error::Damaged(_) => FailureClass::Corrupt,
        picture::Error::TooLarge(_) => FailureClass::TooLarge,
    };
    Failure::permanent(class, error.to_string())
}
