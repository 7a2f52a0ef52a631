//! `chunks/<generation>-<n>.ndjson`: the objects of some chunks, their bodies. Checkpoints name parts of these files instead
//! of holding all objects, so that their size does not depend on the number of keys.

use std::sync::Arc;

use aws_sdk_s3::Client;
use bytes::Bytes;
use shared::destination::Destination;
use shared::object::{ObjectRef, ObjectUri};
use shared::s3::{self, Condition, ErrorKind};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::error::Error;
use super::once;
use crate::chunk::{Body, BodyFile, Chunk, Content, Lines};
use crate::job::Job;

/// More files are written at the same time only if a checkpoint waits for them: connections are scarce.
const FEW_WRITES: usize = 3;

/// The tag of these files, so that a lifecycle rule can delete them.
const TAG: &str = "s3-exif=chunk";

/// A write of a body that was started.
pub type BodyWrite = JoinHandle<Result<(), Error>>;

/// The writes of bodies. Each checkpoint waits for those of the chunks that it names.
pub struct Bodies {
    s3: Client,
    destination: Destination,
    job_id: String,
    permits: Arc<Semaphore>,
    pending: Vec<BodyWrite>,
}

impl Bodies {
    pub fn new(s3: Client, job: &Job) -> Self {
        Self {
            s3,
            destination: job.destination.clone(),
            job_id: job.id.clone(),
            permits: Arc::new(Semaphore::new(FEW_WRITES)),
            pending: Vec::new(),
        }
    }

    /// Whether few files are being written.
    pub fn are_few(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// Starts to write the bodies of new chunks.
    pub fn write(&mut self, file: BodyFile) {
        let uri = self.destination.body(&self.job_id, file.generation(), file.number());
        let (s3, bytes, permit) = (
            self.s3.clone(),
            file.into_bytes(),
            self.permits.clone().try_acquire_owned(),
        );
        self.pending.push(tokio::spawn(async move {
            let written = write(&s3, uri, bytes.into()).await;
            drop(permit);
            written
        }));
    }

    /// The writes that have been started since the last call. The next checkpoint waits for them.
    pub fn take_pending(&mut self) -> Vec<BodyWrite> {
        std::mem::take(&mut self.pending)
    }
}

async fn write(s3: &Client, file: ObjectUri, bytes: Bytes) -> Result<(), Error> {
    let written = match s3::put_tagged(s3, &file, s3::NDJSON, bytes.clone(), TAG).await {
        // Some stores have no tags.
        Err(error) if error.kind == ErrorKind::Incompatible => {
            s3::put_object_if(s3, &file, s3::NDJSON, bytes.clone(), Condition::Absent).await?
        }
        written => written?,
    };
    once::settle(s3, file, &bytes, written).await
}

/// The objects of a chunk as text, from memory or from its body.
pub async fn lines(s3: &Client, job: &Job, chunk: &Chunk) -> Result<Lines, Error> {
    let body = match &chunk.content {
        Content::Inline(lines) | Content::File { lines: Some(lines), .. } => return Ok(lines.clone()),
        Content::File { body, lines: None } => body,
    };
    let uri = file(&job.destination, &job.id, body);
    let object = ObjectRef::latest(uri.key.clone());
    let range = body.start..body.start + body.len;
    let (_, bytes) = s3::get_object(s3, &uri.bucket, &object, Some(range)).await?;
    let lines = Lines::of_file(bytes);
    if lines.count() == chunk.keys {
        return Ok(lines);
    }
    let problem = format!("it has {} objects, not {}", lines.count(), chunk.keys);
    Err(Error::Unreadable { uri, problem })
}

/// The objects of a chunk, from memory or from its body.
pub async fn objects(s3: &Client, job: &Job, chunk: &Chunk) -> Result<Vec<ObjectRef>, Error> {
    let lines = lines(s3, job, chunk).await?;
    lines.objects().map_err(|error| unreadable(job, chunk, &error))
}

/// The error for objects that are not valid JSON.
pub fn unreadable(job: &Job, chunk: &Chunk, error: &serde_json::Error) -> Error {
    Error::Unreadable {
        uri: match &chunk.content {
            Content::Inline(_) => job.destination.checkpoint(&job.id),
            Content::File { body, .. } => file(&job.destination, &job.id, body),
        },
        problem: error.to_string(),
    }
}

fn file(destination: &Destination, job_id: &str, body: &Body) -> ObjectUri {
    let job_id = body.job_id.as_deref().unwrap_or(job_id);
    destination.body(job_id, body.generation, body.number)
}
