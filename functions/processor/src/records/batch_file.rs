use aws_sdk_s3::Client;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use shared::destination::Destination;
use shared::metadata::record::Origin;
use shared::object::{ETag, ObjectUri};
use shared::s3::{self, Condition, ConditionalWrite, ErrorKind};

use super::chunk_body;
use crate::intake::{Entry, NamedObject};

/// How often the file may change between a read and the write after it. Only invocations for the same batch write it,
/// and a workflow has one at a time, or two if it does not know that the first one still runs.
const MAX_CONFLICTS: u32 = 5;

/// The record file of one batch of a Distributed Map. If the batch is sent again, it has the same name, so the records
/// of what is left are added to it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchFile {
    target: ObjectUri,
    /// What an earlier invocation for this batch has written.
    found: Content,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    /// `None` if there is no file.
    etag: Option<ETag>,
    body: Bytes,
    lines: Vec<Line>,
}

/// What is used of a record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Line {
    #[serde(flatten)]
    origin: Origin,
    exif: Option<IgnoredAny>,
}

impl BatchFile {
    /// The file of a batch in the records of `job`, which is a job id.
    pub async fn open(client: &Client, destination: &Destination, job: &str, id: &str) -> Result<Self, s3::Error> {
        let target = destination.batch_records(job, id);
        let found = read(client, &target).await?;
        Ok(Self { target, found })
    }

    /// Adds records to the file. Those that it has already are left out. Returns how many bytes were written.
    pub async fn add(&self, client: &Client, records: &[&[u8]]) -> Result<u64, s3::Error> {
        let mut content = self.found.clone();
        for _ in 0..=MAX_CONFLICTS {
            let new: Vec<&[u8]> = records.iter().copied().filter(|record| !content.has(record)).collect();
            if new.is_empty() {
                return Ok(0);
            }
            let body = Bytes::from([content.body, chunk_body(&new)].concat());
            let size = body.len() as u64;
            let condition = content.etag.as_ref().map_or(Condition::Absent, Condition::Matches);
            if let ConditionalWrite::Written(_) =
                s3::put_object_if(client, &self.target, s3::NDJSON, body, condition).await?
            {
                return Ok(size);
            }
            // Another invocation for this batch has written it, or this one, and the response was lost.
            content = read(client, &self.target).await?;
        }
        let problem = format!("it changed {MAX_CONFLICTS} times while records were added to it");
        Err(s3::Error::corrupt("PutObject", &self.target, problem))
    }
    /// Whether the file had a record of this object, and then, whether the record has EXIF.
    pub fn exif_of(&self, named: &NamedObject) -> Option<bool> {
        let NamedObject { bucket, object, .. } = named;
        let is_named = |origin: &Origin| {
            origin.bucket == *bucket
                && origin.key == object.key
                && (object.version_id.is_none() || origin.version_id == object.version_id)
                && (object.etag.is_none() || origin.etag == object.etag)
        };
        let line = self.found.lines.iter().find(|line| is_named(&line.origin))?;
        Some(line.exif.is_some())
    }
}

async fn read(client: &Client, file: &ObjectUri) -> Result<Content, s3::Error> {
    let (meta, body) = match s3::get_latest(client, file).await {
        Ok(found) => found,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(error),
    };
    let lines = body.split(|&byte| byte == b'\n');
    Ok(Content {
        etag: meta.etag,
        // A line that somebody else has damaged stays as it is.
        lines: lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(),
        body,
    })
}

impl Content {
    fn has(&self, record: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Line>(record) else {
            return false;
        };
        let of_same_state = |line: &Line| {
            let (one, other) = (&line.origin, &record.origin);
            one.bucket == other.bucket
                && one.key == other.key
                && one.version_id == other.version_id
                && one.etag == other.etag
        };
        self.lines.iter().any(of_same_state)
    }
}

/// A hash of the objects of a batch, in their order.
pub fn batch_id(entries: &[Entry]) -> String {
    let mut hasher = Sha256::new();
    for entry in entries {
        let Entry::Object(NamedObject { bucket, object, .. }) = entry else {
            continue;
        };
        let version = object.version_id.as_deref().or(object.etag.as_ref().map(ETag::as_str));
        // Neither a bucket name nor a version contains NUL. The length ends the key, which may contain it.
        let key = object.key.as_str();
        hasher.update(format!(
            "{bucket}\0{}\0{}\0{key}",
            version.unwrap_or_default(),
            key.len()
        ));
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use shared::object::ObjectRef;

    use super::*;

    fn entry(key: &str, etag: &str) -> Entry {
        let etag = ETag::parse(etag);
        let object = ObjectRef::latest(key.into());
        Entry::exact("photos".to_owned(), ObjectRef { etag, ..object })
    }

    #[test]
    fn a_batch_has_the_same_id_each_time_and_no_other_batch_has_it() {
        let id = batch_id(&[entry("a", "1"), entry("b", "2")]);
        assert_eq!(id, batch_id(&[entry("a", "1"), entry("b", "2")]));
        for other in [
            vec![entry("a", "1")],
            vec![entry("b", "2"), entry("a", "1")],
            vec![entry("a", "1"), entry("b", "3")],
            vec![entry("a", "1"), entry("b", "2"), entry("c", "3")],
            vec![entry("a\u{0}photos", "1"), entry("b", "2")],
        ] {
            assert_ne!(id, batch_id(&other), "{other:?}");
        }
    }
}
