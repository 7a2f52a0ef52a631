//! Where to cut a range of keys of which nothing is known but the part that was listed.
//!
//! S3 lists forwards only, so the one question to ask is: which is the first key behind this one? Two
//! rounds of it cut a range. The first looks for the topmost position at which later keys differ from
//! the last key listed: if none has anything but `2024/` in front, the cut is behind that. It halves
//! the positions. The second asks, all at once, for the characters that stand at that position, and
//! cuts between those that do.

use std::collections::BTreeSet;
use std::ops::Bound;

use aws_sdk_s3::Client;
use futures::future::try_join_all;
use shared::object::{Key, MAX_KEY_BYTES, S3Uri};
use shared::s3::{self, Span};

use super::cursor::KeyRange;

/// The most pieces of one cut: enough to have every lister at work after two.
const MAX_PIECES: usize = 16;

pub struct Splitter {
    pub s3: Client,
    pub source: S3Uri,
    pub range: KeyRange,
    /// The first key of the page that ended with `range.after`.
    pub page_start: Key,
    /// Characters seen in keys.
    pub alphabet: BTreeSet<char>,
}

/// How a range is cut. Any cut is right; a good one has about as much on both sides.
#[derive(Debug, Default)]
pub struct Split {
    /// In key order; between each two, and behind the last, there are keys.
    pub points: Vec<Key>,
    /// Behind this there are none.
    pub until: Option<Key>,
    /// Keys that came up.
    pub seen: Vec<Key>,
}

impl Splitter {
    /// Cuts into up to so many pieces.
    pub async fn split(mut self, pieces: usize) -> Result<Split, s3::Error> {
        let mut split = Split::default();
        if let Some((depth, key)) = self.branch().await? {
            let points = self.points(depth, &key, pieces.clamp(2, MAX_PIECES) - 1);
            split.seen.push(key);
            let keys = try_join_all(points.iter().map(|point| self.first_behind(point))).await?;
            for (index, (point, key)) in points.iter().zip(&keys).enumerate() {
                let Some(key) = key else {
                    self.range.until = Some(point.clone());
                    break;
                };
                // Nothing between this point and the next: the next one cuts the same.
                if points.get(index + 1).is_none_or(|next| key <= next) {
                    split.points.push(point.clone());
                }
            }
            split.seen.extend(keys.into_iter().flatten());
        }
        split.until = self.range.until;
        Ok(split)
    }

    /// The topmost position at which a later key differs from the last one listed, and such a key.
    async fn branch(&mut self) -> Result<Option<(usize, Key)>, s3::Error> {
        let after: Vec<char> = self.range.after.as_str().chars().collect();
        let until = self.range.until.as_ref().map_or("", Key::as_str);
        let mut low = common(&after, until).max(self.source.prefix.as_str().chars().count());
        // A branch below the one between the ends of a page has no more behind it than a page.
        let mut high = after.len().min(common(&after, self.page_start.as_str()) + 1);
        let mut found = None;
        let mut depth = low;
        while low < high {
            let point = successor(&after[..=depth]);
            let key = match &point {
                Some(point) => self.first_behind(point).await?,
                None => None,
            };
            if let Some(key) = key {
                high = common(&after, key.as_str());
                found = Some((high, key));
            } else {
                if let Some(point) = point {
                    self.tighten(point);
                }
                low = depth + 1;
            }
            depth = low + (high.saturating_sub(low)) / 2;
        }
        Ok(found)
    }

    /// Where to cut at a position: between characters that may stand there, `max` of them, evenly chosen.
    fn points(&self, depth: usize, beyond: &Key, max: usize) -> Vec<Key> {
        let stem: String = self.range.after.as_str().chars().take(depth).collect();
        let (Some(last), Some(next)) = (
            self.range.after.as_str().chars().nth(depth),
            beyond.as_str().chars().nth(depth),
        ) else {
            return Vec::new();
        };
        let mut characters: BTreeSet<char> = if self.alphabet.contains(&next) {
            let known = self.alphabet.range((Bound::Excluded(last), Bound::Unbounded));
            known.copied().collect()
        } else {
            // An unknown script: ever further into it.
            (0..20)
                .filter_map(|power| char::from_u32(u32::from(next) + (1 << power)))
                .collect()
        };
        characters.insert(next);
        let points: Vec<Key> = characters
            .into_iter()
            .map(|character| Key::from(format!("{stem}{character}")))
            .filter(|point| self.is_inside(point))
            .collect();
        let count = max.min(points.len());
        (0..count)
            .map(|index| points[index * points.len() / count].clone())
            .collect()
    }

    fn is_inside(&self, point: &Key) -> bool {
        point.as_str().len() <= MAX_KEY_BYTES && self.range.until.as_ref().is_none_or(|until| point < until)
    }

    /// The first key of the range behind a point.
    async fn first_behind(&self, point: &Key) -> Result<Option<Key>, s3::Error> {
        if !self.is_inside(point) {
            return Ok(None);
        }
        let span = Span {
            source: &self.source,
            after: point,
            max_keys: 1,
        };
        let first = s3::list(&self.s3, span).await?.objects.into_iter().next();
        let key = first.map(|listed| listed.object.key);
        Ok(key.filter(|key| self.range.until.as_ref().is_none_or(|until| key <= until)))
    }

    fn tighten(&mut self, until: Key) {
        if self.is_inside(&until) {
            self.range.until = Some(until);
        }
    }
}

/// How many characters two texts have in common at their beginning.
fn common(text: &[char], other: &str) -> usize {
    text.iter().zip(other.chars()).take_while(|&(&a, b)| a == b).count()
}

/// The first text behind all that begin with this one.
fn successor(text: &[char]) -> Option<Key> {
    let (&last, stem) = text.split_last()?;
    // The range of characters leaves out surrogates.
    let next = (last..=char::MAX).nth(1)?;
    Some(stem.iter().chain([&next]).collect::<String>().into())
}
