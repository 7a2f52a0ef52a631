use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The least that a walk asks for when it needs more bytes.
const MIN_READ_AHEAD_BYTES: u64 = 64 * 1024;

/// A walk from segment to segment asks for seven times the bytes that have been read. From a first read of 128 KiB,
/// three reads get through 8 MiB.
const GROWTH: u64 = 7;

/// The most segments, chunks or boxes in a walk. Bytes of rubbish between them count, too. Real files have a few
/// thousand at most.
pub const MAX_STEPS: usize = 100_000;

/// The warning for a file with more than [`MAX_STEPS`].
pub const TOO_MANY_STEPS: &str = "too many parts: the search for EXIF was stopped";

/// A file of which some bytes have been read.
#[derive(Clone, Debug)]
pub struct FileView {
    size: u64,
    /// Each part with its start. They are in order, and neither overlap nor touch.
    parts: Vec<(u64, Bytes)>,
    /// From here on, everything was read, and what can hold metadata was kept.
    skimmed_from: Option<u64>,
    window: Option<Window>,
}

/// The bytes of a file that are here for a while. A walk through a large file reads it window by window, from its start each
/// time. So when the next window comes, what the walk has used of this one becomes a part.
#[derive(Clone, Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    used: RefCell<Vec<Range<u64>>>,
    /// Data that is only searched for its end: where it starts, and how far that was done.
    searched: RefCell<BTreeMap<u64, u64>>,
}

/// Why bytes are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They are in the file, but this range of it has not been read.
    NotRead(Range<u64>),
    /// The file ends before them.
    PastEnd,
}

impl FileView {
    /// A file of `size` bytes. None of them has been read.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self {
            size,
            parts: Vec::new(),
            skimmed_from: None,
            window: None,
        }
    }

    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            size: bytes.len() as u64,
            parts: vec![(0, bytes)],
            skimmed_from: None,
            window: None,
        }
    }

    /// The same file, to be read through windows.
    #[must_use]
    pub fn with_windows(self) -> Self {
        Self {
            window: Some(Window::default()),
            ..self
        }
    }

    /// Replaces the window by the bytes from `start` on.
    pub fn move_window(&mut self, start: u64, bytes: Bytes) {
        let Some(last) = self.window.take() else { return };
        let mut used = last.used.take();
        used.sort_by_key(|range| range.start);
        let mut next: Option<Range<u64>> = None;
        for range in used {
            match &mut next {
                Some(joined) if range.start <= joined.end => joined.end = joined.end.max(range.end),
                joined => self.keep(last.start, &last.bytes, joined.replace(range)),
            }
        }
        self.keep(last.start, &last.bytes, next);
        self.window = Some(Window {
            start,
            bytes,
            used: RefCell::default(),
            searched: last.searched,
        });
    }

    /// Makes a range a part, if the window has all of it. This joins it with a part that touches it.
    pub fn keep_of_window(&mut self, range: &Range<u64>) -> bool {
        let Some(window) = &self.window else { return false };
        let (start, bytes) = (window.start, window.bytes.clone());
        let is_inside = start <= range.start && range.end <= start + bytes.len() as u64;
        if is_inside {
            self.keep(start, &bytes, Some(range.clone()));
        }
        is_inside
    }

    fn keep(&mut self, start: u64, bytes: &Bytes, range: Option<Range<u64>>) {
        if let Some(range) = range {
            // A slice would keep the whole window in memory.
            self.insert(range.start, Bytes::copy_from_slice(within(bytes, start, &range)));
        }
    }

    /// The size of the whole file, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many of its bytes have been read.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Adds the bytes from `start` on. They may overlap parts that have been read.
    pub fn insert(&mut self, start: u64, bytes: Bytes) {
        let first = self.parts.partition_point(|part| end(part) < start);
        let last = self
            .parts
            .partition_point(|(other, _)| *other <= start + bytes.len() as u64);
        if first == last {
            self.parts.insert(first, (start, bytes));
            return;
        }
        let joined_start = self.parts[first].0.min(start);
        let joined_end = end(&self.parts[last - 1]).max(start + bytes.len() as u64);
        let mut joined = BytesMut::with_capacity(usize::try_from(joined_end - joined_start).unwrap_or_default());
        let mut new = Some((start, bytes));
        let mut add = |(start, bytes): (u64, Bytes)| {
            // The bytes joined so far reach at least to `start`.
            let known = (joined_start + joined.len() as u64).saturating_sub(start);
            let known = usize::try_from(known).unwrap_or(usize::MAX).min(bytes.len());
            joined.extend_from_slice(&bytes[known..]);
        };
        for part in self.parts.drain(first..last) {
            if let Some(new) = new.take_if(|(start, _)| *start < part.0) {
                add(new);
            }
            add(part);
        }
        if let Some(new) = new {
            add(new);
        }
        self.parts.insert(first, (joined_start, joined.freeze()));
    }

    /// Notes that everything from `start` on was read, and that what can hold metadata was kept.
    pub fn skimmed_from(&mut self, start: u64) {
        self.skimmed_from = Some(self.skimmed_from.map_or(start, |from| from.min(start)));
    }

    /// How much memory its parts take at most, with what it takes to hold each of them.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const PART_BYTES: u64 = 80;
        self.held() + self.parts.len() as u64 * PART_BYTES
    }

    /// Whether everything from `start` on was read, or will be, window by window.
    #[must_use]
    pub fn is_read_from(&self, start: u64) -> bool {
        let is_skimmed = self.window.is_some() || self.skimmed_from.is_some_and(|from| from <= start);
        is_skimmed || self.get(start, self.size.saturating_sub(start)).is_ok()
    }

    /// `length` bytes from `start` on.
    pub fn get(&self, start: u64, length: u64) -> Result<&[u8], Missing> {
        self.get_or_ask(start, length, |missing| missing.end)
    }

    /// Like [`Self::get`], for a walk that does not know yet how far it has to go.
    ///
    /// If bytes are missing, it asks for them together with many that follow. A window has these anyway.
    pub fn ahead(&self, start: u64, length: u64) -> Result<&[u8], Missing> {
        self.get_or_ask(start, length, |missing| match self.window {
            Some(_) => missing.end,
            None => missing.start + MIN_READ_AHEAD_BYTES.max(GROWTH * self.held()),
        })
    }

    /// As many of the bytes from `start` on as are here in one piece, at least one, and at most up to `end`. A window forgets
    /// them.
    pub fn stretch(&self, start: u64, end: u64) -> Result<&[u8], Missing> {
        let end = end.min(self.size);
        if start >= end {
            return Err(Missing::PastEnd);
        }
        let after = self.parts.partition_point(|(other, _)| *other <= start);
        let part = after.checked_sub(1).map(|index| &self.parts[index]);
        let window = self.window.as_ref().map(|window| (window.start, &window.bytes));
        let holding = part.map(|(other, bytes)| (*other, bytes)).into_iter().chain(window);
        for (other, bytes) in holding {
            let stop = end.min(other + bytes.len() as u64);
            if other <= start && start < stop {
                return Ok(within(bytes, other, &(start..stop)));
            }
        }
        self.ahead(start, 1)
    }

    /// How far the data that starts here was searched for its end.
    pub fn searched(&self, start: u64) -> u64 {
        let found = self
            .window
            .as_ref()
            .and_then(|window| window.searched.borrow().get(&start).copied());
        found.unwrap_or(start)
    }

    /// Notes this, so that it need not be done again for the next window.
    pub fn note_searched(&self, start: u64, until: u64) {
        if let Some(window) = &self.window {
            window.searched.borrow_mut().insert(start, until);
        }
    }

    /// Like [`Self::get`]. If bytes are missing, it asks for one range, which ends where `until` says.
    ///
    /// The range ends earlier at the end of the file. It also ends before a part that has been read, unless bytes are
    /// missing after this part.
    pub fn get_or_ask(&self, start: u64, length: u64, until: impl Fn(&Range<u64>) -> u64) -> Result<&[u8], Missing> {
        let stop = start
            .checked_add(length)
            .filter(|&stop| stop <= self.size)
            .ok_or(Missing::PastEnd)?;
        let after = self.parts.partition_point(|(other, _)| *other <= start);
        let mut missing = start..stop;
        if let Some(part) = after.checked_sub(1).map(|index| &self.parts[index]) {
            if stop <= end(part) {
                return Ok(within(&part.1, part.0, &(start..stop)));
            }
            missing.start = missing.start.max(end(part));
        }
        if let Some(window) = &self.window
            && window.start <= start
            && stop <= window.start + window.bytes.len() as u64
        {
            window.used.borrow_mut().push(start..stop);
            return Ok(within(&window.bytes, window.start, &(start..stop)));
        }
        if missing.is_empty() {
            return Ok(&[]);
        }
        let next = self.parts.get(after);
        missing.end = missing.end.max(until(&missing)).min(self.size);
        if let Some(next) = next.filter(|next| missing.end <= end(next)) {
            missing.end = missing.end.min(next.0);
        }
        Err(Missing::NotRead(missing))
    }

    /// `N` bytes from `start` on.
    pub fn array<const N: usize>(&self, start: u64) -> Result<[u8; N], Missing> {
        let bytes = self.ahead(start, N as u64)?;
        Ok(*bytes.first_chunk().expect("`ahead` returns as many bytes as requested"))
    }
}

/// A range of the file, from bytes that start at `start` and have all of it.
fn within<'a>(bytes: &'a [u8], start: u64, range: &Range<u64>) -> &'a [u8] {
    #[expect(clippy::cast_possible_truncation, reason = "both are within bytes in memory")]
    &bytes[(range.start - start) as usize..(range.end - start) as usize]
}

fn end((start, bytes): &(u64, Bytes)) -> u64 {
    start + bytes.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(ranges: &[Range<u8>]) -> FileView {
        let mut parts = FileView::new(100);
        for range in ranges {
            parts.insert(range.start.into(), range.clone().collect());
        }
        parts
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a range of bytes is meant")]
    fn parts_join_wherever_they_touch() {
        for (ranges, joined) in [
            (&[0..10, 20..30][..], &[0..10, 20..30][..]),
            (&[0..10, 20..30, 10..20], &[0..30]),
            (&[0..10, 20..30, 5..25], &[0..30]),
            (&[20..30, 0..10], &[0..10, 20..30]),
            (&[20..30, 0..100], &[0..100]),
            (&[0..100, 20..30], &[0..100]),
            (&[20..30, 10..20], &[10..30]),
            (&[0..4, 8..12, 16..20, 2..18], &[0..20]),
        ] {
            let found: Vec<(u64, Vec<u8>)> = parts(ranges)
                .parts
                .into_iter()
                .map(|(start, bytes)| (start, bytes.to_vec()))
                .collect();
            let expected: Vec<(u64, Vec<u8>)> = joined
                .iter()
                .map(|range| (range.start.into(), range.clone().collect()))
                .collect();
            assert_eq!(found, expected, "{ranges:?}");
        }
    }

    #[test]
    fn what_was_used_of_a_window_stays() {
        let bytes = |range: Range<u8>| range.collect::<Bytes>();
        let mut file = parts(&[0..2, 2..4]).with_windows();
        assert_eq!(file.ahead(10, 4), Err(Missing::NotRead(10..14)));
        file.move_window(10, bytes(10..30));
        assert_eq!(file.get(10, 4), Ok(&[10, 11, 12, 13][..]));
        assert_eq!(file.get(13, 2), Ok(&[13, 14][..]));
        assert_eq!(file.stretch(28, 40), Ok(&[28, 29][..]));
        assert_eq!(file.stretch(30, 40), Err(Missing::NotRead(30..31)));
        file.note_searched(20, 30);
        file.move_window(30, bytes(30..50));
        assert_eq!(file.get(10, 5).map(<[u8]>::len), Ok(5));
        assert_eq!(file.get(15, 1), Err(Missing::NotRead(15..16)));
        assert_eq!((file.held(), file.searched(20), file.searched(21)), (9, 30, 21));
        // A part and the window touch.
        assert_eq!(file.get(28, 4), Err(Missing::NotRead(28..32)));
        file.insert(28, bytes(28..30));
        assert_eq!(file.get(28, 4), Err(Missing::NotRead(30..32)));
        assert!(file.keep_of_window(&(30..32)) && !file.keep_of_window(&(49..51)));
        assert_eq!(file.get(28, 4), Ok(&[28, 29, 30, 31][..]));
    }

    #[test]
    fn only_missing_bytes_are_asked_for() {
        let parts = parts(&[0..10, 20..30]);
        for (start, length, found) in [
            (2, 3, Ok(&[2, 3, 4][..])),
            (7, 3, Ok(&[7, 8, 9])),
            (50, 0, Ok(&[])),
            (8, 4, Err(Missing::NotRead(10..12))),
            (8, 14, Err(Missing::NotRead(10..20))),
            (8, 30, Err(Missing::NotRead(10..38))),
            (15, 10, Err(Missing::NotRead(15..20))),
            (40, 60, Err(Missing::NotRead(40..100))),
            (40, 61, Err(Missing::PastEnd)),
            (u64::MAX, 2, Err(Missing::PastEnd)),
        ] {
            assert_eq!(parts.get(start, length), found, "{start} + {length}");
        }
        assert_eq!(parts.ahead(8, 4), Err(Missing::NotRead(10..100)));
    }
}
