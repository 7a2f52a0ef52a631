//! The source of a job: ranges of keys, and lists of keys.
//!
//! Many ranges are listed at the same time. Lists are read one after the other. A few cursors describe what has not
//! been listed yet, so that another invocation can continue.
//!
//! | module | what it does |
//! |---|---|
//! | [`scope`] | what is listed, and how |
//! | [`candidate`] | an object that was found |
//! | [`portion`] | what one page or batch found, and where |
//! | [`cursor`] | the parts of the source that are not listed yet |
//! | [`error`] | why the source cannot be read |
//! | [`range`] | one page of a range of keys, compared with its outputs |
//! | [`outputs`] | which images have outputs that are all newer |
//! | [`split`] | where to split a range, so that its parts can be listed at the same time |
//! | [`list`] | a list of keys, read as a stream |
//! | [`csv`] | CSV records, with a limit on their length |
//! | [`rows`] | the rows of a list |
//! | [`manifest`] | the lists that a manifest names |
//! | [`distinct`] | duplicates in a list of keys |

mod candidate;
mod csv;
mod cursor;
mod distinct;
mod error;
mod list;
pub mod manifest;
mod outputs;
mod portion;
mod range;
mod rows;
mod scope;
mod split;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;

use aws_sdk_s3::Client;
use lambda_runtime::tracing::warn;
use shared::object::Key;
use shared::s3;
use tokio::task::JoinSet;

pub use candidate::{Candidate, Disposition};
pub use cursor::{Cursor, KeyList, KeyRange};
pub use error::Error;
use list::{Batch, ListReader};
pub use manifest::ManifestError;
pub use portion::{Portion, add};
use range::Page;
pub use scope::Scope;
use split::Split;

/// The most requests for pages at the same time. If a page takes 100 ms, 32 of them list about 300,000 keys per second,
/// more than any job can process.
pub const MAX_LISTERS: usize = 32;

/// The most pages in memory, of the source and of outputs. With many outputs, fewer ranges are listed at the same time.
const MAX_PAGES: usize = 64;

/// At this many failed reads in a row, the listing fails. Each read has all the SDK's attempts.
const MAX_ATTEMPTS: u32 = 4;

/// A range that is being listed.
#[derive(Debug, Default)]
struct Listing {
    range: KeyRange,
    /// The first key of the last page.
    page_start: Key,
    paging: bool,
    splitting: bool,
    pages: u32,
    /// From this number of pages on, a split of the range is worth a try.
    split_at: u32,
    /// How many pages to list before the next try to split.
    patience: u32,
}

/// The result of a task.
enum TaskResult {
    Page(u64, Result<Page, s3::Error>),
    Split(u64, Result<Split, s3::Error>),
}

pub struct Source {
    s3: Client,
    scope: Scope,
    listings: BTreeMap<u64, Listing>,
    next_id: u64,
    lists: VecDeque<KeyList>,
    /// Reads the first of the lists.
    reader: Option<ListReader>,
    /// Failed reads in a row.
    failed_attempts: u32,
    tasks: JoinSet<TaskResult>,
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
            reader: None,
            failed_attempts: 0,
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

    /// The parts of the source that `next` has not returned yet.
    pub fn cursors(&self) -> Vec<Cursor> {
        let ranges = self
            .listings
            .values()
            .map(|listing| Cursor::Keys(listing.range.clone()));
        ranges.chain(self.lists.iter().cloned().map(Cursor::List)).collect()
    }

    /// The ends of the ranges that are not listed yet. `None` if nothing is known about the rest of the source.
    pub fn rest(&self) -> Option<Vec<&Key>> {
        let ends = self.listings.values().map(|listing| listing.range.until.as_ref());
        ends.collect::<Option<_>>().filter(|_| self.lists.is_empty())
    }

    pub fn is_exhausted(&self) -> bool {
        self.listings.is_empty() && self.lists.is_empty()
    }

    /// Returns the next objects; `None` at the end of the source. Those of one page are in key order. Pages of several
    /// ranges come in the order in which they arrive.
    ///
    /// `demand` is about how many more objects are wanted. With 0, no new request starts, and only pages that were
    /// already requested are returned. Cancelling this future loses nothing.
    pub async fn next(&mut self, demand: usize) -> Result<Option<Portion>, Error> {
        loop {
            if self.is_exhausted() {
                return Ok(None);
            }
            self.start(demand);
            let reader = self.reader.as_mut().filter(|_| demand > 0);
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => {
                    let done = done.map_err(|error| Error::Task(error.to_string()))?;
                    match done {
                        TaskResult::Page(id, page) => {
                            if let Some(portion) = self.take_page(id, page)? {
                                return Ok(Some(portion));
                            }
                        }
                        TaskResult::Split(id, split) => self.take_split(id, split),
                    }
                }
                batch = async { reader.expect("only polled if there is a reader").next().await },
                    if reader.is_some() => {
                    if let Some(portion) = self.take_batch(batch)? {
                        return Ok(Some(portion));
                    }
                }
                else => pending().await,
            }
        }
    }

    /// Starts as many requests as `demand` needs.
    fn start(&mut self, demand: usize) {
        let listers = self.scope.listers.min(MAX_PAGES / (1 + self.scope.outputs.len()));
        let wanted = demand.div_ceil(self.scope.page_keys.into()).min(listers);
        if demand > 0
            && self.reader.is_none()
            && let Some(list) = self.lists.front()
        {
            self.reader = Some(ListReader::start(
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
                    .spawn(async move { TaskResult::Page(id, range::page(&s3, &scope, &after).await) });
            }
        }
        while self.tasks.len() < wanted {
            // The range with the most pages since its last split probably has the most keys left.
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
                .spawn(async move { TaskResult::Split(id, splitter.split(pieces).await) });
        }
    }

    fn insert(&mut self, range: KeyRange) {
        let listing = Listing {
            range,
            // If there are many ranges, most of them are short, and a split costs as much as several pages.
            split_at: if self.listings.len() < self.scope.listers { 1 } else { 4 },
            patience: 1,
            ..Listing::default()
        };
        self.listings.insert(self.next_id, listing);
        self.next_id += 1;
    }

    /// `None` if nothing was found.
    fn take_page(&mut self, id: u64, page: Result<Page, s3::Error>) -> Result<Option<Portion>, Error> {
        let listing = self.listings.get_mut(&id).expect("a range stays until its last page");
        listing.paging = false;
        let mut page = match page.map_err(Error::from) {
            Err(error) if error.is_retryable() && self.failed_attempts + 1 < MAX_ATTEMPTS => {
                self.failed_attempts += 1;
                return Ok(None);
            }
            page => page?,
        };
        self.failed_attempts = 0;
        listing.pages += 1;
        let listed = page.objects.len();
        if let Some(until) = &listing.range.until {
            page.truncate(until);
        }
        let mut range = listing.range.clone();
        let first_and_last = page.objects.first().zip(page.objects.last());
        match first_and_last.map(|(first, last)| (&first.object.key, &last.object.key)) {
            Some((first, last))
                if page.truncated && page.objects.len() == listed && listing.range.until.as_ref() != Some(last) =>
            {
                listing.page_start.clone_from(first);
                listing.range.after.clone_from(last);
                range.until = Some(last.clone());
            }
            _ => {
                self.listings.remove(&id);
            }
        }
        // A few keys of a page show which characters the keys contain.
        for candidate in page.objects.iter().step_by(page.objects.len() / 8 + 1) {
            self.alphabet.extend(candidate.object.key.as_str().chars());
        }
        Ok(Some(page.candidates())
            .filter(|candidates| !candidates.is_empty())
            .map(|candidates| Portion {
                candidates,
                cursor: Cursor::Keys(range),
            }))
    }

    fn take_split(&mut self, id: u64, split: Result<Split, s3::Error>) {
        // A failed split does no harm: the range is listed as a whole.
        let split = split.unwrap_or_else(|error| {
            warn!(%error, "a range of keys could not be split");
            let listing = self.listings.get(&id);
            Split {
                until: listing.and_then(|listing| listing.range.until.clone()),
                ..Split::default()
            }
        });
        self.alphabet
            .extend(split.seen.iter().flat_map(|key| key.as_str().chars()));
        // In the meantime, the range may have been listed to its end, or past some of the points.
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

    /// `None` if nothing was found.
    fn take_batch(&mut self, batch: Result<Batch, Error>) -> Result<Option<Portion>, Error> {
        let batch = match batch {
            Ok(batch) => batch,
            // The cursor is after the last batch, so no row is returned twice.
            Err(error) if error.is_retryable() && self.failed_attempts + 1 < MAX_ATTEMPTS => {
                self.failed_attempts += 1;
                self.reader = None;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.failed_attempts = 0;
        if let Some(next) = batch.next {
            self.lists[0] = next;
        } else {
            self.lists.pop_front();
            self.reader = None;
        }
        Ok(Some(batch.rows)
            .filter(|candidates| !candidates.is_empty())
            .map(|candidates| Portion {
                candidates,
                cursor: Cursor::List(batch.from),
            }))
    }
}
