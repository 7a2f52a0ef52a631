//! Writes checkpoints one after the other, each after the files that it relies on. Each of them renews the lease.

use std::time::Duration;

use aws_sdk_s3::Client;
use lambda_runtime::tracing::Instrument as _;
use shared::clock::Clock;
use shared::object::ETag;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::chunk::BodyFile;
use crate::job::Job;
use crate::store::journal::KeysFile;
use crate::store::{self, Before, Bodies, Checkpoint, Lease, ReportFile, Saved};

/// A write that nothing waits for begins only this many times as late after the last one as that one took. So the end of
/// a short job rarely waits for it.
const PAUSE: u32 = 5;

pub struct Saver<'a> {
    s3: &'a Client,
    job: &'a Job,
    clock: Clock,
    /// The `ETag` of the checkpoint; `None` before the first one is written.
    etag: Option<ETag>,
    pub lease: Lease,
    bodies: Bodies,
    /// When the last write began, and how long it took.
    last: Option<(Instant, Duration)>,
    /// When the last write of `job.json` began.
    reported: Option<Instant>,
    pub report_file: ReportFile,
    /// The write of `job.json` that is in progress.
    pub reporting: JoinSet<()>,
}

/// A write of a checkpoint that has ended.
pub struct Write {
    pub saved: Result<Saved, store::Error>,
    pub checkpoint: Checkpoint,
    began: Instant,
}

impl<'a> Saver<'a> {
    /// `etag` is that of the checkpoint in S3, if there is one.
    pub fn new(s3: &'a Client, job: &'a Job, clock: Clock, etag: Option<ETag>) -> Self {
        Self {
            s3,
            job,
            etag,
            lease: Lease::new(clock.clone()),
            clock,
            bodies: Bodies::new(s3.clone(), job),
            last: None,
            reported: None,
            report_file: ReportFile::default(),
            reporting: JoinSet::new(),
        }
    }

    /// Whether the job has a checkpoint.
    pub fn has_checkpoint(&self) -> bool {
        self.etag.is_some()
    }

    /// Whether a write may begin that nothing waits for.
    pub fn may_save(&self) -> bool {
        self.last
            .is_none_or(|(began, took)| self.clock.now() >= began + took * PAUSE)
    }

    /// Whether `job.json` may be written. A busy job writes checkpoints all the time, so their pauses do not count.
    pub fn may_report(&self) -> bool {
        let written = self.reported.zip(self.last);
        written.is_none_or(|(began, (_, took))| self.clock.now() >= began + took * PAUSE)
    }

    /// Whether few bodies are being written, so that another one gains time.
    pub fn may_write_bodies(&self) -> bool {
        self.bodies.are_few()
    }

    /// Starts to write the bodies of new chunks. The next checkpoint waits for them.
    pub fn write_bodies(&mut self, file: BodyFile) {
        self.bodies.write(file);
    }

    /// Writes a checkpoint after the keys that it no longer holds, and after the bodies that it names.
    pub fn save(&mut self, checkpoint: Checkpoint, keys: Vec<KeysFile>) -> impl Future<Output = Write> + use<'a> {
        let before = Before {
            keys,
            bodies: self.bodies.take_pending(),
        };
        let (s3, job, etag, began) = (self.s3, self.job, self.etag.clone(), self.clock.now());
        async move {
            let saved = store::save(s3, job, &checkpoint, etag.as_ref(), before).await;
            Write {
                saved,
                checkpoint,
                began,
            }
        }
    }

    /// Takes note of a write.
    pub fn saved(&mut self, write: &Write) {
        self.last = Some((write.began, self.clock.now() - write.began));
        match &write.saved {
            Ok(Saved::Written(etag)) => {
                self.etag = Some(etag.clone());
                self.lease.renew(write.began);
            }
            Ok(Saved::StopRequested(etag)) => self.etag = Some(etag.clone()),
            Ok(Saved::LeaseLost) | Err(_) => {}
        }
    }

    /// Writes the last checkpoint. Returns `None` if another invocation works on the job.
    pub async fn save_last(
        &mut self,
        mut checkpoint: Checkpoint,
        mut keys: Vec<KeysFile>,
    ) -> Result<Option<Checkpoint>, store::Error> {
        loop {
            let write = self.save(checkpoint, std::mem::take(&mut keys)).await;
            self.saved(&write);
            checkpoint = write.checkpoint;
            match write.saved? {
                Saved::Written(_) => return Ok(Some(checkpoint)),
                Saved::LeaseLost => return Ok(None),
                // A job that has ended cannot be stopped any more. If the job continues, the next invocation reads the
                // flag.
                Saved::StopRequested(_) => checkpoint.header.stop_requested = true,
            }
        }
    }

    /// Starts to write `job.json` from a checkpoint, unless the previous write is still in progress. Returns whether it
    /// did. Nothing waits for this write.
    pub fn report(&mut self, checkpoint: &Checkpoint) -> bool {
        let is_idle = self.reporting.is_empty();
        if is_idle {
            self.reported = Some(self.clock.now());
            let (s3, file, report) = (self.s3.clone(), self.report_file.clone(), checkpoint.report());
            self.reporting
                .spawn(async move { file.update(&s3, &report).await }.in_current_span());
        }
        is_idle
    }
}
