//! Decides which of the objects that an event names are processed.
//!
//! fanout has already filtered the objects of a chunk. For all other callers, objects are ignored if they are outside
//! the source, or if `INCLUDE` and `EXCLUDE` do not accept their names. Each version of an object is processed once. If
//! several events of one key arrive together, only the newest is processed.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use shared::destination::Destination;
use shared::object::{Bucket, ETag, Key, ObjectRef, S3Uri};
use shared::protocol::failure::FailureClass;

use crate::config::Config;
use crate::error::Error;
use crate::image::{Image, ObjectVersion};
use crate::outcome::{Failed, Outcome};

/// One object that an event names, or a part of the event that is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Object(NamedObject),
    Ignored(Ignored),
    /// A part of the event that cannot be read, and what is wrong with it.
    Unreadable(String),
}

/// An object that an event names. Its key is plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedObject {
    /// As in the event, not checked yet.
    pub bucket: String,
    pub object: ObjectRef,
    pub version: ObjectVersion,
    /// Gives the order of the events of one key.
    pub sequencer: Option<String>,
}

/// A part of an event that is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    pub bucket: String,
    pub key: Key,
    pub reason: String,
}

impl Entry {
    /// An object in the version that is named.
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
            Self::Unreadable(_) => ("", &NO_KEY),
        }
    }
}

static NO_KEY: LazyLock<Key> = LazyLock::new(Key::default);

/// Returns the entries, or the first problem if none of them can be read.
pub fn any_readable(entries: Vec<Entry>) -> Result<Vec<Entry>, String> {
    let is_readable = |entry: &Entry| !matches!(entry, Entry::Unreadable(_));
    match entries.first() {
        Some(Entry::Unreadable(problem)) if !entries.iter().any(is_readable) => Err(problem.clone()),
        _ => Ok(entries),
    }
}

/// The images to process, and the decision about each entry.
#[derive(Debug)]
pub struct Intake {
    pub images: Vec<Image>,
    /// One for each entry, in the same order.
    dispositions: Vec<Disposition>,
}

#[derive(Debug)]
enum Disposition {
    /// The entry is the next of the images.
    Process,
    Ignore(String),
    /// The entry names the same object as the earlier entry with this index.
    Duplicate(usize),
    Reject(Failed),
}

impl Intake {
    /// Takes all objects of a chunk. If one is outside the source, the chunk is invalid.
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

    /// Decides about each entry of an event.
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

    /// Gives the outcome of each entry. `images` are the outcomes of the images.
    pub fn outcomes(&self, mut images: impl Iterator<Item = Outcome>) -> Vec<Outcome> {
        let outcome = |disposition: &Disposition| match disposition {
            Disposition::Process => images.next().expect("there is one outcome per image"),
            Disposition::Ignore(reason) => Outcome::Ignored(reason.clone()),
            Disposition::Duplicate(first) => Outcome::Duplicate(*first),
            Disposition::Reject(failed) => Outcome::Failed(failed.clone()),
        };
        self.dispositions.iter().map(outcome).collect()
    }
}

/// For each bucket and key, the latest sequencer of its events.
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

/// What identifies one version of an object: bucket, key, version id and `ETag`.
type Version<'a> = (&'a str, &'a Key, Option<&'a str>, Option<&'a ETag>);

/// Decides which entries are processed.
struct Sorter<'a> {
    config: &'a Config,
    destination: &'a Destination,
    latest: LatestSequencers<'a>,
    /// The index of the first entry for each version of an object.
    seen: HashMap<Version<'a>, usize>,
    images: Vec<Image>,
}

impl<'a> Sorter<'a> {
    fn sort(&mut self, index: usize, entry: &'a Entry) -> Disposition {
        let named = match entry {
            Entry::Ignored(ignored) => return Disposition::Ignore(ignored.reason.clone()),
            Entry::Unreadable(problem) => {
                return Disposition::Reject(Failed::retryable(FailureClass::Internal, problem.clone()));
            }
            Entry::Object(named) => named,
        };
        let object = &named.object;
        let bucket = match Bucket::new(&named.bucket) {
            Ok(bucket) => bucket,
            // No bucket can have this name.
            Err(error) => return Disposition::Reject(Failed::permanent(FailureClass::NotFound, error.to_string())),
        };
        let relative_key = match relative_key(self.config, self.destination, &bucket, &object.key) {
            Ok(relative_key) => relative_key,
            Err(reason) => return Disposition::Ignore(reason),
        };
        if let Some(sequencer) = &named.sequencer {
            let latest = self.latest.get(&(named.bucket.as_str(), &object.key));
            if latest.is_some_and(|latest| by_sequence(sequencer, latest) == Ordering::Less) {
                return Disposition::Ignore("a newer event of the same key arrived with it".to_owned());
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

/// The order of two events of one key. Sequencers are hexadecimal. The shorter one is padded with zeros on the right
/// ("Event message structure" in the S3 User Guide), so trailing zeros do not count.
fn by_sequence(one: &str, other: &str) -> Ordering {
    let digits = |sequencer: &str| sequencer.trim_end_matches('0').to_ascii_uppercase();
    digits(one).cmp(&digits(other))
}

/// The key relative to the source, or the reason why the object is ignored.
fn relative_key(config: &Config, destination: &Destination, bucket: &Bucket, key: &Key) -> Result<String, String> {
    if destination.holds(bucket, key) {
        return Err("it is in one of the destination's own folders".to_owned());
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
        return Err("its name does not match INCLUDE, or matches EXCLUDE".to_owned());
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
            // The shorter one is padded on the right.
            ("1", "05", Ordering::Greater),
            ("A1", "A10001", Ordering::Less),
        ] {
            assert_eq!(by_sequence(one, other), order, "{one} {other}");
        }
    }
}
