use std::ops::Range;

use bytes::Bytes;
use shared::object::{ObjectMeta, ObjectRef};
use shared::protocol::failure::Failure;
use shared::s3;
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};

use super::Pipeline;
use crate::image::Image;
use crate::limits::Pool;
use crate::limits::deadline::ImageTimer;

/// One image in flight.
pub struct Task<'a> {
    pub pipeline: &'a Pipeline<'a>,
    pub timer: &'a ImageTimer<'a>,
    pub image: &'a Image,
}

impl<'a> Task<'a> {
    pub async fn get(&self, object: &ObjectRef, range: Option<Range<u64>>) -> Result<(ObjectMeta, Bytes), Failure> {
        let _connection = self.turn_to_read().await;
        let (meta, bytes) = s3::get_object(&self.pipeline.clients.reads, &self.image.bucket, object, range).await?;
        self.pipeline.traffic.add_read(bytes.len() as u64);
        Ok((meta, bytes))
    }

    /// Waits until a request to the source may be sent. The permit holds a connection.
    pub async fn turn_to_read(&self) -> SemaphorePermit<'a> {
        self.turn(&self.pipeline.limits.connections.source).await
    }

    /// Waits until a request to the destination may be sent. The permit holds a connection.
    pub async fn turn_to_write(&self) -> SemaphorePermit<'a> {
        self.turn(&self.pipeline.limits.connections.destination).await
    }

    async fn turn(&self, connections: &'a Pool) -> SemaphorePermit<'a> {
        let turn = async {
            if let Some(rate) = &self.pipeline.rate {
                rate.slot().await;
            }
            connections.acquire().await
        };
        self.timer.stopped(turn).await
    }

    /// Waits until `bytes` of an image fit into the memory.
    pub async fn hold(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Failure> {
        self.timer.stopped(self.pipeline.limits.memory.hold(bytes)).await
    }
}
