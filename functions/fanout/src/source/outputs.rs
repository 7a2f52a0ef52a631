//! Finds out which images have outputs that are all newer, by listing the outputs beside the source.
//!
//! The outputs of a page are looked for in the order of their own keys, which is not always that of the source: "a"
//! comes before "a-1", but "a-1.jpeg" comes before "a.jpeg".

use std::vec::IntoIter;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use futures::future::try_join_all;
use shared::destination::OutputFolder;
use shared::object::{Key, MAX_KEY_BYTES, S3Uri};
use shared::s3::{self, ListedObject, Span};

use super::scope::Scope;

/// Whether all outputs of each object exist and are newer than it. There is one walk for each output.
///
/// An object without outputs to compare is not current. Neither is one whose output key is too long for S3, so that the
/// processor says so.
pub async fn current(scope: &Scope, objects: &[ListedObject], walks: Vec<Walk<'_>>) -> Result<Vec<bool>, s3::Error> {
    let mut current = vec![!walks.is_empty(); objects.len()];
    let found = try_join_all(walks.into_iter().map(|walk| walk.newer(scope, objects))).await?;
    for newer in found {
        for (is_current, is_newer) in current.iter_mut().zip(newer) {
            *is_current &= is_newer;
        }
    }
    Ok(current)
}

/// Goes through the outputs in one folder, in key order. It holds one page of them.
pub struct Walk<'a> {
    s3: &'a Client,
    folder: &'a OutputFolder,
    listed: S3Uri,
    max_keys: i32,
    /// The page has all outputs after this key, up to its last one.
    start: Key,
    page: IntoIter<Output>,
    /// The last key of the page.
    last: Key,
    truncated: bool,
}

/// The key of an output, and when it was written.
type Output = (Key, Option<DateTime>);

impl<'a> Walk<'a> {
    /// Lists a page after the output of a key of the source. It probably has the outputs of the keys that follow.
    pub async fn start(
        s3: &'a Client,
        scope: &Scope,
        folder: &'a OutputFolder,
        after: &Key,
    ) -> Result<Self, s3::Error> {
        let source = &scope.source.prefix;
        let relative = after.relative_to(source).unwrap_or_default();
        let start = match folder.output(relative) {
            _ if *after == Key::default() => Key::default(),
            Ok(output) => output.key,
            // Too long for S3. A shorter key comes before it.
            Err(_) => folder.starting_with(relative).prefix.as_str().into(),
        };
        let first = Key::from(source.as_str());
        let mut walk = Self {
            s3,
            folder,
            listed: folder.starting_with(first.relative_to(source).unwrap_or_default()),
            max_keys: scope.page_keys.into(),
            start: Key::default(),
            page: Vec::new().into_iter(),
            last: Key::default(),
            truncated: true,
        };
        walk.list(start).await?;
        Ok(walk)
    }

    async fn list(&mut self, start: Key) -> Result<(), s3::Error> {
        let span = Span {
            source: &self.listed,
            after: &start,
            max_keys: self.max_keys,
        };
        let page = s3::list(self.s3, span).await?;
        if let Some(last) = page.objects.last() {
            self.last.clone_from(&last.object.key);
        }
        let outputs = page
            .objects
            .into_iter()
            .map(|output| (output.object.key, output.last_modified));
        self.page = outputs.collect::<Vec<_>>().into_iter();
        self.truncated = page.truncated;
        self.start = start;
        Ok(())
    }

    /// Whether the output of each object exists and is newer than it.
    async fn newer(mut self, scope: &Scope, objects: &[ListedObject]) -> Result<Vec<bool>, s3::Error> {
        let mut newer = vec![false; objects.len()];
        let wanted = objects.iter().enumerate().filter_map(|(index, listed)| {
            let relative = listed.object.key.relative_to(&scope.source.prefix).unwrap_or_default();
            let output = self.folder.output(relative).ok()?;
            Some((output.key, index, listed.last_modified?))
        });
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort_unstable();
        for (key, index, modified) in wanted {
            newer[index] = self.find(&key).await?.is_some_and(|output| output > modified);
        }
        Ok(newer)
    }

    /// Finds when an output was modified. Each call must ask for a later key than the call before.
    async fn find(&mut self, key: &Key) -> Result<Option<DateTime>, s3::Error> {
        if *key <= self.start {
            // The first page starts too late: what follows "a" is "a-1", whose output comes before that of "a".
            self.list(before(key)).await?;
        }
        loop {
            match self.page.as_slice().first() {
                Some((first, _)) if first > key => return Ok(None),
                Some((first, modified)) => {
                    let found = (first == key).then_some(*modified);
                    self.page.next();
                    if let Some(modified) = found {
                        return Ok(modified);
                    }
                }
                // Any number of outputs of other images may come before this one. They are passed over.
                None if self.truncated => {
                    let start = before(key).max(self.last.clone());
                    self.list(start).await?;
                }
                None => return Ok(None),
            }
        }
    }
}

/// A key that comes before this one, with as few keys between as possible: it ends with the character before the last
/// one, and with the last of all characters.
fn before(key: &Key) -> Key {
    let mut before = key.as_str().to_owned();
    let last = before.pop();
    // Not a control character, because stores handle those in different ways.
    let previous = last.and_then(|last| (' '..last).next_back());
    if let Some(previous) = previous {
        let closer = format!("{before}{previous}{}", char::MAX);
        if closer.len() <= MAX_KEY_BYTES {
            return closer.as_str().into();
        }
    }
    before.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_before_is_close() {
        let before = |key: &str| before(&key.into()).as_str().to_owned();
        assert_eq!(before("a.jpeg"), "a.jpef\u{10FFFF}");
        assert_eq!(before("a\u{E000}"), "a\u{D7FF}\u{10FFFF}");
        assert_eq!(before("a "), "a");
        assert_eq!(before(&"x".repeat(MAX_KEY_BYTES)), "x".repeat(MAX_KEY_BYTES - 1));
    }
}
