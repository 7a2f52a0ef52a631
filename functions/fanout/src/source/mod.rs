//! What a job works through: ranges of keys, listed many at a time, and lists of keys, read one after
//! the other. Whatever has not come out of here yet is told by a few cursors, from which another
//! invocation goes on.
//!
//! | module | what it does |
//! |---|---|
//! | [`range`] | one page of a range of keys, with what the destination has of it |
//! | [`split`] | where to cut a range in pieces that can be listed at once |
//! | [`list`] | a list of keys, read as it comes |
//! | [`rows`] | what one row of it says |
//! | [`manifest`] | which lists a manifest names |
//! | [`distinct`] | keys that a list names twice |

mod distinct;
pub mod list;
pub mod manifest;
mod range;
mod rows;
mod split;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use lambda_runtime::tracing::warn;
use serde::{Deserialize, Serialize};
use shared::chunk::ObjectRef;
use shared::destination::Destination;
use shared::failure::{Class, Failure};
use shared::uri::S3Uri;
use tokio::task::JoinSet;

use list::{Batch, KeyList};
use range::Page;
use split::Split;

/// Requests for pages at a time. 32 list some 300,000 keys a second where a page takes 100 ms, more than
/// any job can process.
const LISTERS: usize = 32;

/// A page or a list whose reading failed for a passing reason is taken up again this often in a row, beside
/// the attempts of the SDK.
const ATTEMPTS: u32 = 4;

/// Keys from one (exclusive) to another (inclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Empty for the beginning.
    pub after: String,
    /// `None` for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// From where on a part of the source is still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    Keys(KeyRange),
    List(KeyList),
}

/// An object that came out of the source.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub object: ObjectRef,
    pub last_modified: Option<DateTime>,
    pub standing: Standing,
}

/// What is known of an object beside its own properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// Its output is newer than it is.
    Current,
    /// A row of a list that names no object to process: an old version, a key outside the source, or a
    /// key that has been there before.
    Ignored,
}

/// What is listed, and how.
#[derive(Clone, Debug)]
pub struct Scope {
    pub source: S3Uri,
    /// Where to look for outputs that are newer than their source.
    pub outputs: Option<Destination>,
    /// The most keys in one page.
    pub page_keys: u16,
}

/// A range that is being listed.
#[derive(Debug, Default)]
struct Listing {
    range: KeyRange,
    /// The first key of the last page.
    page_start: String,
    paging: bool,
    splitting: bool,
    pages: u32,
    /// When `pages` reaches this, cutting the range is worth a try.
    split_at: u32,
    /// Pages until the next try after one that found nothing.
    patience: u32,
}

/// What a task came to.
enum Done {
    Page(u64, Result<Page, Failure>),
    Split(u64, Result<Split, Failure>),
}

pub struct Source {
    s3: Client,
    scope: Scope,
    listings: BTreeMap<u64, Listing>,
    next_id: u64,
    lists: VecDeque<KeyList>,
    /// The first of the lists, while it is read.
    reading: Option<list::Reading>,
    /// In a row.
    failed: u32,
    tasks: JoinSet<Done>,
    /// Characters seen in keys.
    alphabet: BTreeSet<char>,
}

impl Source {
    pub fn new(s3: Client, scope: Scope, cursors: Vec<Cursor>) -> Self {
        let mut source = Self {
            s3,
            scope,
            listings: BTreeMap::new(),
            next_id: 0,
            lists: VecDeque::new(),
            reading: None,
            failed: 0,
            tasks: JoinSet::new(),
            alphabet: BTreeSet::new(),
        };
        for cursor in cursors {
            match cursor {
                Cursor::Keys(range) => source.insert(range),
                Cursor::List(list) => source.lists.push_back(list),
            }
        }
        source
    }

    /// What has not come out yet.
    pub fn cursors(&self) -> Vec<Cursor> {
        let ranges = self
            .listings
            .values()
            .map(|listing| Cursor::Keys(listing.range.clone()));
        ranges.chain(self.lists.iter().cloned().map(Cursor::List)).collect()
    }

    pub fn is_exhausted(&self) -> bool {
        self.listings.is_empty() && self.lists.is_empty()
    }

    /// The next objects; of one range they come in key order, of several ranges as they are listed. About
    /// `demand` more are wanted: with none wanted, only what has been asked for already comes, if
    /// anything. Cancelling loses nothing.
    pub async fn next(&mut self, demand: usize) -> Result<Vec<Candidate>, Failure> {
        loop {
            self.start(demand);
            let reading = self.reading.as_mut().filter(|_| demand > 0);
            tokio::select! {
                Some(done) = self.tasks.join_next() => {
                    let done = done.map_err(|error| Failure::new(Class::Internal, format!("listing: {error}")))?;
                    match done {
                        Done::Page(id, page) => {
                            let objects = self.take_page(id, page)?;
                            if !objects.is_empty() || self.is_exhausted() {
                                return Ok(objects);
                            }
                        }
                        Done::Split(id, split) => self.take_split(id, split),
                    }
                }
                batch = async { reading.expect("only polled where there is one").next().await },
                    if reading.is_some() => {
                    let objects = self.take_batch(batch)?;
                    if !objects.is_empty() || self.is_exhausted() {
                        return Ok(objects);
                    }
                }
                else => pending().await,
            }
        }
    }

    /// Starts as many requests as the demand justifies.
    fn start(&mut self, demand: usize) {
        let wanted = demand.div_ceil(self.scope.page_keys.into()).min(LISTERS);
        if demand > 0
            && self.reading.is_none()
            && let Some(list) = self.lists.front()
        {
            self.reading = Some(list::Reading::start(
                self.s3.clone(),
                self.scope.source.clone(),
                list.clone(),
            ));
        }
        for (&id, listing) in &mut self.listings {
            if self.tasks.len() >= wanted {
                return;
            }
            if !listing.paging {
                listing.paging = true;
                let (s3, scope, after) = (self.s3.clone(), self.scope.clone(), listing.range.after.clone());
                self.tasks
                    .spawn(async move { Done::Page(id, range::page(&s3, &scope, &after).await) });
            }
        }
        while self.tasks.len() < wanted {
            // The range that has shown most pages since it was last cut is likely to have most to come.
            let busiest = self
                .listings
                .iter_mut()
                .filter(|(_, listing)| !listing.splitting && listing.pages >= listing.split_at)
                .max_by_key(|(_, listing)| listing.pages - listing.split_at);
            let Some((&id, listing)) = busiest else { return };
            listing.splitting = true;
            let splitter = split::Splitter {
                s3: self.s3.clone(),
                source: self.scope.source.clone(),
                range: listing.range.clone(),
                page_start: listing.page_start.clone(),
                alphabet: self.alphabet.clone(),
            };
            let pieces = wanted - self.tasks.len() + 1;
            self.tasks
                .spawn(async move { Done::Split(id, splitter.split(pieces).await) });
        }
    }

    fn insert(&mut self, range: KeyRange) {
        let listing = Listing {
            range,
            // Of many ranges most are short, and a cut costs as much as some pages.
            split_at: if self.listings.len() < LISTERS { 1 } else { 4 },
            patience: 1,
            ..Listing::default()
        };
        self.listings.insert(self.next_id, listing);
        self.next_id += 1;
    }

    fn take_page(&mut self, id: u64, page: Result<Page, Failure>) -> Result<Vec<Candidate>, Failure> {
        let listing = self.listings.get_mut(&id).expect("a range stays until its last page");
        listing.paging = false;
        let page = match page {
            Err(failure) if failure.class.is_passing() && self.failed + 1 < ATTEMPTS => {
                self.failed += 1;
                return Ok(Vec::new());
            }
            page => page?,
        };
        self.failed = 0;
        listing.pages += 1;
        let mut objects = page.objects;
        let listed = objects.len();
        if let Some(until) = &listing.range.until {
            objects.truncate(objects.partition_point(|candidate| candidate.object.key <= *until));
        }
        let last = objects.last().map(|candidate| candidate.object.key.clone());
        let at_end = objects.len() < listed || (last.is_some() && last == listing.range.until);
        if at_end || !page.truncated {
            self.listings.remove(&id);
        } else if let (Some(first), Some(last)) = (objects.first(), last) {
            listing.page_start.clone_from(&first.object.key);
            listing.range.after = last;
        } else {
            return Err(Failure::new(
                Class::Internal,
                "ListObjectsV2: an empty page that says more keys follow",
            ));
        }
        // A few keys of a page tell which characters keys are made of.
        for candidate in objects.iter().step_by(objects.len() / 8 + 1) {
            self.alphabet.extend(candidate.object.key.chars());
        }
        Ok(objects)
    }

    fn take_split(&mut self, id: u64, split: Result<Split, Failure>) {
        // A cut is worth a try, and no more: a range can be listed without.
        let split = split.unwrap_or_else(|failure| {
            warn!(%failure, "a range of keys could not be cut");
            let listing = self.listings.get(&id);
            Split {
                until: listing.and_then(|listing| listing.range.until.clone()),
                ..Split::default()
            }
        });
        self.alphabet.extend(split.seen.iter().flat_map(|key| key.chars()));
        // It may have come to its end meanwhile, or part of the way.
        let Some(listing) = self.listings.get_mut(&id) else {
            return;
        };
        listing.splitting = false;
        let mut until = split.until;
        let mut pieces = Vec::new();
        for point in split.points.into_iter().rev() {
            if point > listing.range.after {
                pieces.push(KeyRange {
                    after: point.clone(),
                    until: until.replace(point),
                });
            }
        }
        listing.range.until = until;
        listing.patience = if pieces.is_empty() { listing.patience * 2 } else { 1 };
        listing.split_at = listing.pages + listing.patience;
        for piece in pieces.into_iter().rev() {
            self.insert(piece);
        }
    }

    fn take_batch(&mut self, batch: Result<Batch, Failure>) -> Result<Vec<Candidate>, Failure> {
        let batch = match batch {
            Ok(batch) => batch,
            // A body that broke off, say: the rows so far are not read twice.
            Err(failure) if failure.class.is_passing() && self.failed + 1 < ATTEMPTS => {
                self.failed += 1;
                self.reading = None;
                return Ok(Vec::new());
            }
            Err(failure) => return Err(failure),
        };
        self.failed = 0;
        if let Some(next) = batch.next {
            self.lists[0] = next;
        } else {
            self.lists.pop_front();
            self.reading = None;
        }
        Ok(batch.rows)
    }
}
