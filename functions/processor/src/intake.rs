//! What an event names → the images to process, once for all callers.
//!
//! Fanout has filtered the objects of a chunk already. Of everything else, each version of each object is taken
//! once, and the latest where several events of one key come together.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shared::destination::Destination;
use shared::object::{Bucket, ETag, Key, ObjectRef, S3Uri};
use shared::protocol::failure::FailureClass;

use crate::config::Config;
use crate::error::Error;
use crate::image::{Image, ObjectVersion};
use crate::outcome::{Failed, Outcome};

/// One thing that an event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Object(NamedObject),
    Ignored(Ignored),
}

/// An object, its key plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedObject {
    /// As the event has it: it need not be a valid name.
    pub bucket: String,
    pub object: ObjectRef,
    pub version: ObjectVersion,
    /// Orders the events of one key.
    pub sequencer: Option<String>,
}

/// A part of an event that asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    pub bucket: String,
    pub key: Key,
    pub reason: String,
}

impl Entry {
    /// The object as it is named.
    pub fn exact(bucket: String, object: ObjectRef) -> Self {
        Self::Object(NamedObject {
            bucket,
            object,
            version: ObjectVersion::Exact,
            sequencer: None,
        })
    }

    /// Bucket and key.
    pub fn name(&self) -> (&str, &Key) {
        match self {
            Self::Object(named) => (&named.bucket, &named.object.key),
            Self::Ignored(ignored) => (&ignored.bucket, &ignored.key),
        }
    }
}

/// The images to process, and what is decided of every entry.
#[derive(Debug)]
pub struct Intake {
    pub images: Vec<Image>,
    /// Of each entry, in their order.
    dispositions: Vec<Disposition>,
}

#[derive(Debug)]
enum Disposition {
    /// It is the next of the images.
    Process,
    Ignore(String),
    /// It names the same as the entry with this index.
    Duplicate(usize),
    Reject(Failed),
}

impl Intake {
    /// All objects of a chunk. One outside the source makes the chunk invalid.
    pub fn of_chunk(objects: Vec<ObjectRef>, source: &S3Uri) -> Result<Self, Error> {
        let image = |object: ObjectRef| {
            let relative_key = object.key.relative_to(&source.prefix).ok_or_else(|| Error::BadEvent {
                what: "chunk",
                problem: format!("key {:?} is outside the source {source}", object.key.as_str()),
            })?;
            Ok(Image {
                bucket: source.bucket.clone(),
                relative_key: relative_key.to_owned(),
                object,
                version: ObjectVersion::Exact,
            })
        };
        let images = objects.into_iter().map(image).collect::<Result<Vec<_>, Error>>()?;
        let dispositions = images.iter().map(|_| Disposition::Process).collect();
        Ok(Self { images, dispositions })
    }

    /// Those of an event's entries that are to be processed.
    pub fn of_event(config: &Config, destination: &Destination, entries: &[Entry]) -> Self {
        let mut sorter = Sorter {
            config,
            destination,
            latest: latest_sequencers(entries),
            seen: HashMap::new(),
            images: Vec::new(),
        };
        let disposition = |(index, entry)| sorter.sort(index, entry);
        let dispositions = entries.iter().enumerate().map(disposition).collect();
        Self {
            images: sorter.images,
            dispositions,
        }
    }

    /// The outcomes of all entries, from those of the images.
    pub fn outcomes(&self, mut images: impl Iterator<Item = Outcome>) -> Vec<Outcome> {
        let outcome = |disposition: &Disposition| match disposition {
            Disposition::Process => images.next().expect("each image has its outcome"),
            Disposition::Ignore(reason) => Outcome::Ignored(reason.clone()),
            Disposition::Duplicate(first) => Outcome::Duplicate(*first),
            Disposition::Reject(failed) => Outcome::Failed(failed.clone()),
        };
        self.dispositions.iter().map(outcome).collect()
    }
}

/// Bucket and key, and the latest sequencer of its events.
type LatestSequencers<'a> = HashMap<(&'a str, &'a Key), &'a str>;

fn latest_sequencers(entries: &[Entry]) -> LatestSequencers<'_> {
    let mut latest = LatestSequencers::new();
    for entry in entries {
        let Entry::Object(NamedObject {
            bucket,
            object,
            sequencer: Some(sequencer),
            ..
        }) = entry
        else {
            continue;
        };
        let known = latest.entry((bucket, &object.key)).or_insert(sequencer);
        if by_sequence(known, sequencer) == Ordering::Less {
            *known = sequencer;
        }
    }
    latest
}

/// Bucket, key, version and `ETag`.
type Version<'a> = (&'a str, &'a Key, Option<&'a str>, Option<&'a ETag>);

/// Decides which entries are images to be processed.
struct Sorter<'a> {
    config: &'a Config,
    destination: &'a Destination,
    latest: LatestSequencers<'a>,
    /// Where each version of an object came first.
    seen: HashMap<Version<'a>, usize>,
    images: Vec<Image>,
}

impl<'a> Sorter<'a> {
    fn sort(&mut self, index: usize, entry: &'a Entry) -> Disposition {
        let named = match entry {
            Entry::Ignored(ignored) => return Disposition::Ignore(ignored.reason.clone()),
            Entry::Object(named) => named,
        };
        let object = &named.object;
        let bucket = match Bucket::new(&named.bucket) {
            Ok(bucket) => bucket,
            // No bucket can have such a name.
            Err(error) => return Disposition::Reject(Failed::permanent(FailureClass::NotFound, error.to_string())),
        };
        let relative_key = match relative_key(self.config, self.destination, &bucket, &object.key) {
            Ok(relative_key) => relative_key,
            Err(reason) => return Disposition::Ignore(reason),
        };
        if let Some(sequencer) = &named.sequencer {
            let latest = self.latest.get(&(named.bucket.as_str(), &object.key));
            if latest.is_some_and(|latest| by_sequence(sequencer, latest) == Ordering::Less) {
                return Disposition::Ignore("a newer event of its key came with it".to_owned());
            }
        }
        let version = (
            named.bucket.as_str(),
            &object.key,
            object.version_id.as_deref(),
            object.etag.as_ref(),
        );
        let first = *self.seen.entry(version).or_insert(index);
        if first != index {
            return Disposition::Duplicate(first);
        }
        self.images.push(Image {
            bucket,
            object: object.clone(),
            relative_key,
            version: named.version,
        });
        Disposition::Process
    }
}

/// The order of two events of one key. Sequencers are hexadecimal, and the shorter one is filled up with
/// zeros on its right ("Event message structure" in the S3 User Guide): so trailing zeros do not count.
fn by_sequence(one: &str, other: &str) -> Ordering {
    let digits = |sequencer: &str| sequencer.trim_end_matches('0').to_ascii_uppercase();
    digits(one).cmp(&digits(other))
}

/// The key relative to the source, or why the object is not for us.
fn relative_key(config: &Config, destination: &Destination, bucket: &Bucket, key: &Key) -> Result<String, String> {
    if destination.holds(bucket, key) {
        return Err("it is in our own destination".to_owned());
    }
    let relative = match &config.source {
        None => Some(key.as_str()),
        Some(source) if source.bucket == *bucket => key.relative_to(&source.prefix),
        Some(_) => None,
    };
    let relative = relative.ok_or_else(|| {
        let source = config.source.as_ref().map(S3Uri::to_string).unwrap_or_default();
        format!("it is outside the source {source}")
    })?;
    if key.is_folder_marker() {
        return Err("it is a folder marker".to_owned());
    }
    if !config.names.accept(key) {
        return Err("its name is not one of those included".to_owned());
    }
    Ok(relative.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequencers_are_ordered_as_s3_says() {
        for (one, other, order) in [
            ("0055AED6DCD90281E5", "0055AED6DCD90281E6", Ordering::Less),
            ("0055AED6DCD90281E5", "0055aed6dcd90281e500", Ordering::Equal),
            // The shorter one is filled up on its right.
            ("1", "05", Ordering::Greater),
            ("A1", "A10001", Ordering::Less),
        ] {
            assert_eq!(by_sequence(one, other), order, "{one} {other}");
        }
    }
}
