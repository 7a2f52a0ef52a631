//! Finds where to split a range of keys. Only the part that was listed so far is known.
//!
//! S3 lists forwards only, so the only useful question is: what is the first key after this text? A split asks it in
//! two rounds:
//!
//! 1. The first round finds the first position at which a later key differs from the last key listed. If all later keys
//!    start with `2024/`, this position is after `2024/`. The round is a binary search over the positions.
//! 2. The second round asks for several characters at this position, all at the same time. The range is split between
//!    the characters that occur.

use std::collections::BTreeSet;
use std::ops::Bound;

use aws_sdk_s3::Client;
use futures::future::try_join_all;
use shared::object::{Key, MAX_KEY_BYTES, S3Uri};
use shared::s3::{self, Span};

use super::cursor::KeyRange;

/// The most ranges that one split makes. After two splits, every lister is busy.
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

/// How to split a range. Every split is correct; a good one makes ranges of about the same size.
#[derive(Debug, Default)]
pub struct Split {
    /// In key order. There are keys between each point and the next, and after the last one.
    pub points: Vec<Key>,
    /// The range has no keys after this one.
    pub until: Option<Key>,
    /// Keys that were found.
    pub seen: Vec<Key>,
}

impl Splitter {
    /// Splits the range into up to `pieces` ranges.
    pub async fn split(mut self, pieces: usize) -> Result<Split, s3::Error> {
        let mut split = Split::default();
        if let Some((depth, key)) = self.branch().await? {
            let points = self.points(depth, &key, pieces.clamp(2, MAX_PIECES) - 1);
            split.seen.push(key);
            let keys = try_join_all(points.iter().map(|point| self.first_after(point))).await?;
            for (index, (point, key)) in points.iter().zip(&keys).enumerate() {
                let Some(key) = key else {
                    self.range.until = Some(point.clone());
                    break;
                };
                // If no key is between this point and the next, both split the range in the same way. The next one is
                // used.
                if points.get(index + 1).is_none_or(|next| key <= next) {
                    split.points.push(point.clone());
                }
            }
            split.seen.extend(keys.into_iter().flatten());
        }
        split.until = self.range.until;
        Ok(split)
    }

    /// Finds the first position at which a later key differs from the last one listed, and such a key.
    async fn branch(&mut self) -> Result<Option<(usize, Key)>, s3::Error> {
        let after: Vec<char> = self.range.after.as_str().chars().collect();
        let until = self.range.until.as_ref().map_or("", Key::as_str);
        let mut low = common(&after, until).max(self.source.prefix.as_str().chars().count());
        // Deeper than the position where the first and the last key of the page differ, less than a page of keys has
        // been listed. That is too few to expect many more.
        let mut high = after.len().min(common(&after, self.page_start.as_str()) + 1);
        let mut found = None;
        let mut depth = low;
        while low < high {
            let point = successor(&after[..=depth]);
            let key = match &point {
                Some(point) => self.first_after(point).await?,
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

    /// Returns up to `max` points for a split at a position. They are chosen evenly from the characters that may occur
    /// there.
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
            // A script that no key had so far: points at growing distances in it.
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

    /// Finds the first key of the range after a point.
    async fn first_after(&self, point: &Key) -> Result<Option<Key>, s3::Error> {
        if !self.is_inside(point) {
            return Ok(None);
        }
        let span = Span {
            source: &self.source,
            after: point,
            max_keys: 1,
        };
        let page = s3::list(&self.s3, span).await?;
        if let Some(unnamed) = page.unnamed.first() {
            // A range can end only at a key that is UTF-8.
            return Err(s3::Error::corrupt(
                "ListObjectsV2",
                &self.source,
                unnamed.key.to_string(),
            ));
        }
        let key = page.objects.into_iter().next().map(|listed| listed.object.key);
        Ok(key.filter(|key| self.range.until.as_ref().is_none_or(|until| key <= until)))
    }

    fn tighten(&mut self, until: Key) {
        if self.is_inside(&until) {
            self.range.until = Some(until);
        }
    }
}

/// How many characters two texts have in common at their start.
fn common(text: &[char], other: &str) -> usize {
    text.iter().zip(other.chars()).take_while(|&(&a, b)| a == b).count()
}

/// The first text after all texts that start with this one.
fn successor(text: &[char]) -> Option<Key> {
    let (&last, stem) = text.split_last()?;
    // A range of `char` leaves out surrogates.
    let next = (last..=char::MAX).nth(1)?;
    Some(stem.iter().chain([&next]).collect::<String>().into())
}
