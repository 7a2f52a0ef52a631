//! Objects that an event names: each state of each object once, the newest where several come together.

use std::cmp::Ordering;
use std::collections::HashMap;

use lambda_runtime::tracing::{info, warn};
use serde::{Deserialize, Serialize};
use shared::bound::Reading;
use shared::chunk::{FailedKey, Usage};
use shared::destination::Destination;
use shared::failure::{Class, Failure};
use shared::key;
use shared::modes::Records;
use shared::s3::ObjectId;
use shared::uri::S3Uri;
use tokio::time::Instant;

use crate::config::Config;
use crate::error::Error;
use crate::event::{Entry, Ignored, Meant, Named};
use crate::handler::App;
use crate::pipeline::{Image, Outcome, PerImage};
use crate::run::{Run, Work};

/// What became of one entry of an event.
#[derive(Debug)]
pub enum Fate {
    Ok {
        with_exif: bool,
    },
    /// There was nothing to do, for this reason.
    Ignored(String),
    /// The same as of an earlier entry, which has this index.
    Twice(usize),
    /// For good.
    Failed(Failure),
    /// For a reason that may pass.
    Again(Failure),
    Unprocessed,
}

/// What became of all of them, in their order.
#[derive(Debug)]
pub struct Done {
    pub fates: Vec<Fate>,
    pub usage: Usage,
    pub reading: Option<Reading>,
    pub concurrency: usize,
}

/// The answer to an event. Step Functions and those who call by hand read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventResponse {
    pub ok: u64,
    pub with_exif: u64,
    pub failed: Vec<FailedKey>,
    pub unprocessed: Vec<String>,
    pub ignored: Vec<Ignored>,
    pub concurrency: usize,
    #[serde(flatten)]
    pub usage: Usage,
    /// What bounded it; absent where no image was done.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
}

/// Processes what the entries name. `write_down_failures`: the caller forgets what failed for good, so
/// that it is written into the destination.
pub async fn process(
    app: &App,
    entries: &[Entry],
    write_down_failures: bool,
    deadline: Instant,
) -> Result<Done, Error> {
    let destination = app.config.destination.clone().ok_or(Error::NoDestination)?;
    let mut sorter = Sorter::new(&app.config, &destination, entries);
    let known: Vec<Option<Fate>> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| sorter.sort(index, entry))
        .collect();
    let images = sorter.images;

    let work = Work {
        images: app.config.images,
        records: match app.config.records {
            Records::None => PerImage::Kept,
            Records::Ndjson => PerImage::Event,
            Records::Sidecar => PerImage::Sidecar,
        },
        write_down_failures,
        destination,
        concurrency: app.config.concurrency,
        max_requests_per_second: None,
    };
    let run = Run::start(app, work, deadline);
    let outcomes = run.pipeline.run(&images).await;
    let usage = run.usage(&outcomes);
    let mut fates = images.iter().zip(outcomes).map(|(image, outcome)| fate(image, outcome));
    let done = Done {
        fates: known
            .into_iter()
            .map(|fate| fate.unwrap_or_else(|| fates.next().expect("each image has its outcome")))
            .collect(),
        reading: run.reading(&usage),
        usage,
        concurrency: run.concurrency(),
    };
    log(entries, &done);
    Ok(done)
}

fn fate(image: &Image, outcome: Outcome) -> Fate {
    let has_successor = matches!(image.meant, Meant::Newest { .. });
    match outcome {
        Outcome::Ok(done) => Fate::Ok {
            with_exif: done.with_exif,
        },
        Outcome::Failed(failure) if failure.class == Class::Changed && has_successor => {
            Fate::Ignored("it was replaced since, and what replaced it has an event of its own".to_owned())
        }
        Outcome::Failed(failure) if failure.class.is_passing() => Fate::Again(failure),
        Outcome::Failed(failure) => Fate::Failed(failure),
        Outcome::Unprocessed => Fate::Unprocessed,
    }
}

/// Decides which entries are images to be processed.
struct Sorter<'a> {
    config: &'a Config,
    destination: &'a Destination,
    /// The last sequencer of each key.
    newest: HashMap<(&'a str, &'a str), &'a str>,
    /// Where each state of an object came first.
    seen: HashMap<(&'a str, &'a str, Option<&'a str>, &'a str), usize>,
    images: Vec<Image>,
}

impl<'a> Sorter<'a> {
    fn new(config: &'a Config, destination: &'a Destination, entries: &'a [Entry]) -> Self {
        let mut newest = HashMap::new();
        for entry in entries {
            if let Entry::Object(Named {
                id,
                meant: Meant::Newest {
                    sequencer: Some(sequencer),
                },
            }) = entry
            {
                let newest = newest
                    .entry((id.bucket.as_str(), id.key.as_str()))
                    .or_insert(sequencer.as_str());
                if by_sequence(newest, sequencer) == Ordering::Less {
                    *newest = sequencer;
                }
            }
        }
        Self {
            config,
            destination,
            newest,
            seen: HashMap::new(),
            images: Vec::new(),
        }
    }

    /// What becomes of an entry, if that is known beforehand; otherwise it is the next of the images.
    fn sort(&mut self, index: usize, entry: &'a Entry) -> Option<Fate> {
        let named = match entry {
            Entry::Ignored(ignored) => return Some(Fate::Ignored(ignored.why.clone())),
            Entry::Object(named) => named,
        };
        let id = &named.id;
        if let Err(error) = S3Uri::new(&id.bucket, "") {
            return Some(Fate::Failed(Failure::new(Class::NotFound, error.to_string())));
        }
        let relative_key = match relative_key(self.config, self.destination, id) {
            Ok(relative_key) => relative_key,
            Err(why) => return Some(Fate::Ignored(why)),
        };
        if let Meant::Newest {
            sequencer: Some(sequencer),
        } = &named.meant
        {
            let newest = self.newest.get(&(id.bucket.as_str(), id.key.as_str()));
            if newest.is_some_and(|newest| by_sequence(sequencer, newest) == Ordering::Less) {
                return Some(Fate::Ignored("a newer event of its key came with it".to_owned()));
            }
        }
        let state = (
            id.bucket.as_str(),
            id.key.as_str(),
            id.version_id.as_deref(),
            id.etag.as_str(),
        );
        let first = *self.seen.entry(state).or_insert(index);
        if first != index {
            return Some(Fate::Twice(first));
        }
        self.images.push(Image {
            id: id.clone(),
            relative_key,
            meant: named.meant.clone(),
            storage_class: None,
        });
        None
    }
}

/// The order of two events of one key. Sequencers are hexadecimal, and the shorter one is filled up with
/// zeros on its right ("Event message structure" in the S3 User Guide): so trailing zeros do not count.
fn by_sequence(one: &str, other: &str) -> Ordering {
    let digits = |sequencer: &str| sequencer.trim_end_matches('0').to_ascii_uppercase();
    digits(one).cmp(&digits(other))
}

/// The key relative to the source, or why the object is not for us.
fn relative_key(config: &Config, destination: &Destination, id: &ObjectId) -> Result<String, String> {
    if destination.holds(&id.bucket, &id.key) {
        return Err("it is in our own destination".to_owned());
    }
    let relative = match &config.source {
        None => Some(id.key.as_str()),
        Some(source) if source.bucket == id.bucket => key::relative(&id.key, &source.prefix),
        Some(_) => None,
    };
    let relative = relative.ok_or_else(|| {
        let source = config.source.as_ref().map(S3Uri::to_string).unwrap_or_default();
        format!("it is outside the source {source}")
    })?;
    if id.key.ends_with('/') {
        return Err("it is a folder marker".to_owned());
    }
    if !config.names.accept(&id.key) {
        return Err("its name is not one of those included".to_owned());
    }
    Ok(relative.to_owned())
}

impl Done {
    /// What became of an entry; of one that came twice, what became of the first.
    pub fn fate(&self, index: usize) -> &Fate {
        match &self.fates[index] {
            Fate::Twice(first) => &self.fates[*first],
            fate => fate,
        }
    }

    /// Why an entry is to come again, if it is.
    pub fn again(&self, index: usize) -> Option<&str> {
        match self.fate(index) {
            Fate::Again(failure) => Some(&failure.message),
            Fate::Unprocessed => Some("not done in time"),
            Fate::Ok { .. } | Fate::Ignored(_) | Fate::Twice(_) | Fate::Failed(_) => None,
        }
    }

    pub fn response(self, entries: &[Entry]) -> EventResponse {
        let mut response = EventResponse {
            ok: 0,
            with_exif: 0,
            failed: Vec::new(),
            unprocessed: Vec::new(),
            ignored: Vec::new(),
            concurrency: self.concurrency,
            usage: self.usage,
            reading: self.reading,
        };
        for (entry, fate) in entries.iter().zip(self.fates) {
            let (bucket, key) = entry.name();
            let ignored = |why: String| Ignored {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                why,
            };
            match fate {
                Fate::Ok { with_exif } => {
                    response.ok += 1;
                    response.with_exif += u64::from(with_exif);
                }
                Fate::Ignored(why) => response.ignored.push(ignored(why)),
                Fate::Twice(_) => response.ignored.push(ignored("it comes twice".to_owned())),
                Fate::Failed(failure) | Fate::Again(failure) => {
                    response
                        .failed
                        .push(FailedKey::new(key.to_owned(), failure.class, &failure.message));
                }
                Fate::Unprocessed => response.unprocessed.push(key.to_owned()),
            }
        }
        response
    }
}

/// Most callers do not read the answer, so the log has to tell.
fn log(entries: &[Entry], done: &Done) {
    let (mut ok, mut failed, mut unprocessed, mut ignored) = (0, 0, 0, 0);
    for (entry, fate) in entries.iter().zip(&done.fates) {
        match fate {
            Fate::Ok { .. } => ok += 1,
            Fate::Ignored(_) | Fate::Twice(_) => ignored += 1,
            Fate::Failed(failure) | Fate::Again(failure) => {
                failed += 1;
                warn!(key = entry.name().1, class = %failure.class, error = failure.message, "object failed");
            }
            Fate::Unprocessed => unprocessed += 1,
        }
    }
    info!(
        ok,
        failed,
        unprocessed,
        ignored,
        concurrency = done.concurrency,
        elapsed_ms = done.usage.elapsed_ms,
        cpu_ms = done.usage.cpu_ms,
        "event processed"
    );
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
