//! The last writes of an invocation for a job.

use futures::future::join;
use lambda_runtime::tracing::warn;
use shared::protocol::job::State;

use super::ending::Ending;
use super::event_loop::EventLoop;
use crate::attempt::FenceError;
use crate::error::Error;
use crate::store::journal::KeysFile;
use crate::store::{self, Checkpoint, report};

impl EventLoop<'_> {
    /// Writes the last checkpoint and `job.json`. Returns how the work ended.
    pub async fn finish(mut self) -> Result<(Ending, Checkpoint), Error> {
        let mut ending = self.ending.take().expect("a run ends for a reason");
        let conditions = self.invoker.conditions.check().await;
        if let Err(error) = &conditions {
            match ending {
                // The check itself may have replaced the checkpoint.
                Ending::LeaseLost => return Err(store::Error::from(error.clone()).into()),
                Ending::StoreFailed(_) => {}
                // Attempts may have committed, and nothing can be said of them. The next invocation checks again.
                _ if !error.is_answer() => return Err(store::Error::from(error.clone()).into()),
                Ending::Completed | Ending::Aborted(_) | Ending::TimeUp => {
                    ending = Ending::Aborted(error.to_string());
                }
            }
        }
        match &ending {
            Ending::LeaseLost => return Ok((ending, self.checkpoint())),
            Ending::StoreFailed(_) => {}
            Ending::TimeUp => self.header.lease_s = 0,
            Ending::Completed => self.header.state = State::Completed,
            Ending::Aborted(reason) => {
                // Without conditions, a fence would overwrite the records of an attempt.
                if conditions.is_ok() {
                    self.give_up_the_rest().await?;
                }
                // Only now, because no checkpoint may say that a job has ended while an attempt can still commit.
                self.header.state = State::Aborted;
                self.header.reason = Some(reason.clone());
            }
        }
        if let Ending::StoreFailed(error) = ending {
            return Err(error.into());
        }
        let Some(checkpoint) = Box::pin(self.write_last_checkpoint(matches!(ending, Ending::TimeUp))).await? else {
            return Ok((Ending::LeaseLost, self.checkpoint()));
        };
        report::log_end(&checkpoint.report());
        Ok((ending, checkpoint))
    }

    /// Gives up all attempts without a result, so that none can commit after the job has ended.
    async fn give_up_the_rest(&mut self) -> Result<(), FenceError> {
        self.left_behind.append(&mut self.progress.unfenced);
        self.left_behind.extend(self.progress.dispatch.abandon());
        self.give_up_left_behind().await
    }

    /// Writes the last checkpoint and `job.json`. Returns `None` if another invocation works on the job.
    async fn write_last_checkpoint(&mut self, continues: bool) -> Result<Option<Checkpoint>, store::Error> {
        let keys = KeysFile::take(&mut self.progress.counters, true);
        self.start_bodies();
        let checkpoint = self.checkpoint();
        let report = checkpoint.report();
        let (s3, until) = (self.invoker.s3, self.schedule.report_until(continues));
        let (file, mut reporting) = (
            self.saver.report_file.clone(),
            std::mem::take(&mut self.saver.reporting),
        );
        let update = self.schedule.within(until, async {
            // The previous write must end first. Otherwise it could replace the last one.
            while reporting.join_next().await.is_some() {}
            file.update(s3, &report).await;
        });
        // While the lease holds, no other invocation writes job.json, so neither file waits for the other.
        let is_leased = self.saver.lease.holds();
        let save = Box::pin(self.saver.save_last(checkpoint, keys));
        let (saved, updated) = if is_leased {
            join(save, update).await
        } else {
            let saved = save.await;
            let is_written = matches!(saved, Ok(Some(_)));
            (saved, if is_written { update.await } else { Some(()) })
        };
        if updated.is_none() {
            warn!("job.json was not updated in time");
        }
        saved
    }
}
