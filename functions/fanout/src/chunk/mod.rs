//! A chunk of objects, and an attempt in flight.

mod body_file;
mod lines;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::protocol::attempt::Attempt;

pub use body_file::BodyFile;
pub use lines::Lines;

/// About how many bytes an object takes as JSON.
const BYTES_PER_OBJECT: usize = 100;

/// The objects of one processor invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Chunk {
    /// From 0. Each number names one chunk of a job.
    pub number: u64,
    /// How many objects it has.
    pub keys: usize,
    pub content: Content,
    pub tries: Tries,
}

/// Where the objects of a chunk are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// In the checkpoint itself: the first chunks of an invocation can start before any file is written.
    Inline(Lines),
    /// In a file of their own, and also in memory until the chunk is sent.
    File { body: Body, lines: Option<Lines> },
}

/// The part of a file that has the objects of a chunk. The file is written once, and never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredBody", into = "StoredBody")]
pub struct Body {
    /// The invocation of fanout that wrote the file, from 1.
    pub generation: u32,
    /// Of the file, from 1 in each generation.
    pub number: u64,
    /// In bytes.
    pub start: u64,
    pub len: u64,
    /// The job that wrote the file, if that is the parent of this job.
    pub job_id: Option<String>,
}

impl Body {
    /// The first `len` bytes, and the others.
    fn split_at(&self, len: u64) -> (Self, Self) {
        let front = Self { len, ..self.clone() };
        let back = Self {
            start: self.start + len,
            len: self.len - len,
            ..self.clone()
        };
        (front, back)
    }
}

/// The fields in order, because a checkpoint has thousands of them.
type StoredBody = (u32, u64, u64, u64, Option<String>);

impl From<StoredBody> for Body {
    fn from((generation, number, start, len, job_id): StoredBody) -> Self {
        Self {
            generation,
            number,
            start,
            len,
            job_id,
        }
    }
}

impl From<Body> for StoredBody {
    fn from(body: Body) -> Self {
        (body.generation, body.number, body.start, body.len, body.job_id)
    }
}

/// A chunk in a checkpoint. Layouts 1 and 2 have the objects of all chunks, and no `keys`.
#[derive(Serialize, Deserialize)]
struct Stored {
    number: u64,
    #[serde(default)]
    keys: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Body>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objects: Option<Lines>,
    #[serde(default, skip_serializing_if = "Tries::are_none")]
    tries: Tries,
}

#[derive(Debug, thiserror::Error)]
#[error("chunk {0} has neither objects nor a body")]
struct Empty(u64);

impl Chunk {
    /// Its objects, if they are in memory.
    pub fn lines(&self) -> Option<&Lines> {
        match &self.content {
            Content::Inline(lines) => Some(lines),
            Content::File { lines, .. } => lines.as_ref(),
        }
    }

    /// How many bytes its objects take as JSON. This is an estimate if they are not in memory.
    pub fn bytes(&self) -> usize {
        self.lines()
            .map_or(self.keys * BYTES_PER_OBJECT, |lines| lines.bytes().len())
    }

    /// The first `count` objects as the same chunk, and the others as another one with its own number. Both are in the
    /// same file. `None` if the objects are not in memory.
    pub fn split_at(&self, count: usize, number: u64) -> Option<(Self, Self)> {
        let (front, back) = self.lines()?.split_at(count);
        let bodies = match &self.content {
            Content::Inline(_) => None,
            Content::File { body, .. } => Some(body.split_at(front.bytes().len() as u64)),
        };
        let (first, second) = bodies.unzip();
        let part = |number, lines: Lines, body: Option<Body>| Self {
            number,
            keys: lines.count(),
            content: match body {
                None => Content::Inline(lines),
                Some(body) => Content::File {
                    body,
                    lines: Some(lines),
                },
            },
            tries: self.tries,
        };
        Some((part(self.number, front, first), part(number, back, second)))
    }

    /// The same chunk, without objects that a file holds.
    #[must_use]
    pub fn unloaded(&self) -> Self {
        let mut chunk = self.clone();
        if let Content::File { lines, .. } = &mut chunk.content {
            *lines = None;
        }
        chunk
    }
}

impl TryFrom<Stored> for Chunk {
    type Error = Empty;

    fn try_from(stored: Stored) -> Result<Self, Empty> {
        let content = match (stored.objects, stored.body) {
            (Some(lines), _) => Content::Inline(lines),
            (None, Some(body)) => Content::File { body, lines: None },
            (None, None) => return Err(Empty(stored.number)),
        };
        Ok(Self {
            number: stored.number,
            keys: match &content {
                Content::Inline(lines) => lines.count(),
                Content::File { .. } => stored.keys,
            },
            content,
            tries: stored.tries,
        })
    }
}

impl From<Chunk> for Stored {
    fn from(chunk: Chunk) -> Self {
        let (body, objects) = match chunk.content {
            Content::Inline(lines) => (None, Some(lines)),
            Content::File { body, .. } => (Some(body), None),
        };
        Self {
            number: chunk.number,
            keys: chunk.keys,
            body,
            objects,
            tries: chunk.tries,
        }
    }
}

/// How many attempts of a chunk ended in each way.
///
/// The aliases are the names in layout 1 of the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// The processor died, or its response was lost.
    #[serde(alias = "died")]
    pub lost: u32,
    /// Lambda throttled the attempt.
    pub throttled: u32,
    /// Lambda was unavailable.
    pub unavailable: u32,
    /// The processor's credentials had expired, or were not accepted.
    #[serde(default)]
    pub without_credentials: u32,
    /// The response returned every key as unprocessed.
    #[serde(alias = "returned")]
    pub unprocessed: u32,
}

impl Tries {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An attempt that may be running. The checkpoint holds it from before it is sent until its result is known or it has
/// been given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightAttempt {
    pub attempt: Attempt,
    pub chunk: Arc<Chunk>,
}
