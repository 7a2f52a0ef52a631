//! Strips an image that does not fit into memory: walks it through windows, and writes it in parts.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use shared::metadata::{self, FileView, Metadata};
use shared::object::{ObjectRef, ObjectUri};
use shared::protocol::failure::{Failure, FailureClass};
use shared::strip::{self, Pieces, Stripped};

use super::{Task, without_names};
use crate::pipeline::multipart::PartSource;
use crate::pipeline::outcome::{Recorded, StageTimes};

const MIB: u64 = 1024 * 1024;

const WINDOW_BYTES: u64 = 8 * MIB;

/// The most bytes that are kept of an image: its metadata, and the tables and headers that say where its picture lies.
const MAX_KEPT_BYTES: u64 = 16 * MIB;

/// The most memory that an image takes while it is walked: a window, what is kept, and what is made of this. The smallest
/// function has as much.
const HELD_BYTES: u64 = 64 * MIB;

/// How often the bytes of an image are read by windows, at most. A walk through a picture needs each window once; only the
/// tables of a hostile file lie all over it.
const MAX_READS: u64 = 3;

/// An output that is not in memory: parts of its source, and new bytes between them.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    pub source: &'a ObjectRef,
    pub pieces: &'a Pieces,
}

impl Task<'_> {
    pub(super) async fn strip_large(&self, object: &ObjectRef, target: &ObjectUri) -> Result<Recorded, Failure> {
        let clock = self.pipeline.clock;
        let read = self.read_metadata(object).await?;
        drop(read.whole);
        let started = clock.now();
        let held = self.hold(HELD_BYTES).await?;
        let stripped = self.walk(&read.object, &read.metadata).await?;
        let output = Output {
            source: &read.object,
            pieces: &stripped.pieces,
        };
        self.check_output(output, &read.metadata).await?;
        drop(held);
        let walked = clock.now();
        let (mut record, _) = self.record(&read.meta, read.metadata);
        record.warnings.extend(stripped.warnings);
        let headers = without_names(&read.meta, &self.pipeline.settings.strip.keep_user_metadata);
        let length = output.pieces.length();
        if self.takes_twice(length) {
            let _held = self.hold(length.saturating_mul(2)).await?;
            let bytes = self.output(output, 0..length).await?;
            self.put(target, bytes, headers, HashMap::new()).await?;
        } else {
            let source = PartSource::Stripped(output);
            self.in_parts(source, headers, HashMap::new(), target).await?;
        }
        let times = StageTimes {
            download: read.download,
            exif: read.exif,
            transform: Some(walked - started),
            upload: Some(clock.now() - walked),
        };
        Ok(Recorded::new(record, times, self.pipeline.max_record_bytes))
    }

    /// Finds what stays of an image.
    async fn walk(&self, object: &ObjectRef, metadata: &Metadata) -> Result<Stripped, Failure> {
        let options = self.pipeline.settings.strip.options;
        let mut file = FileView::new(object.size.unwrap_or(0)).with_windows();
        let mut bytes_left = file.size().saturating_mul(MAX_READS).saturating_add(MAX_KEPT_BYTES);
        loop {
            let range = match strip::strip(&file, metadata, options)? {
                strip::Progress::Complete(stripped) => return Ok(stripped),
                strip::Progress::NeedRange(range) => range,
            };
            check_kept(file.memory() + (range.end - range.start))?;
            if file.keep_of_window(&range) {
                continue;
            }
            let end = range.end.max(range.start + WINDOW_BYTES).min(file.size());
            let window = range.start..end;
            bytes_left = bytes_left.checked_sub(window.end - window.start).ok_or_else(|| {
                Failure::permanent(
                    FailureClass::TooLarge,
                    "its parts lie all over it, so it cannot be stripped in parts",
                )
            })?;
            let (_, bytes) = self.get(object, Some(window)).await?;
            file.move_window(range.start, bytes);
        }
    }

    /// Reads the metadata of an output before it is written.
    async fn check_output(&self, output: Output<'_>, source: &Metadata) -> Result<(), Failure> {
        let length = output.pieces.length();
        let mut file = FileView::new(length);
        let front = 0..length.min(self.pipeline.front_bytes);
        file.insert(0, self.output(output, front).await?);
        let found = loop {
            match metadata::read(&file) {
                metadata::Progress::Complete(found) => break found,
                metadata::Progress::NeedRanges(ranges) => {
                    for range in ranges {
                        check_kept(file.held() + (range.end - range.start))?;
                        file.insert(range.start, self.output(output, range).await?);
                    }
                }
                metadata::Progress::NeedStream(mut skim) => {
                    let mut at = skim.from();
                    while at < length {
                        let end = length.min(at + WINDOW_BYTES);
                        skim.feed(&self.output(output, at..end).await?);
                        at = end;
                    }
                    skim.finish(&mut file);
                }
            }
        };
        Ok(strip::check(source, &found, self.pipeline.settings.strip.options)?)
    }

    /// Bytes of an output.
    pub(in crate::pipeline) async fn output(&self, output: Output<'_>, range: Range<u64>) -> Result<Bytes, Failure> {
        let mut bytes = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        for (range, pieces) in output.pieces.within(&range).reads() {
            let source = if range.is_empty() {
                Bytes::new()
            } else {
                self.get(output.source, Some(range.clone())).await?.1
            };
            pieces.append_to(&mut bytes, range.start, &source);
        }
        Ok(bytes.into())
    }
}

fn check_kept(bytes: u64) -> Result<(), Failure> {
    if bytes <= MAX_KEPT_BYTES {
        return Ok(());
    }
    let error = format!("{bytes} bytes must be kept to strip it in parts; the limit is {MAX_KEPT_BYTES}");
    Err(Failure::permanent(FailureClass::TooLarge, error))
}
