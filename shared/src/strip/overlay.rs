use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::pieces::Pieces;

/// An output in which everything has the place that it has in the source: what stays, what is written over it, and zeros
/// between.
#[derive(Default)]
pub struct Overlay {
    kept: Vec<Range<u64>>,
    /// By where it lies. These do not overlap.
    new: BTreeMap<u64, Bytes>,
}

impl Overlay {
    pub fn keep(&mut self, range: Range<u64>) {
        match self.kept.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.kept.push(range),
        }
    }

    /// How many ranges are kept, as far as they do not follow each other.
    pub fn ranges(&self) -> usize {
        self.kept.len()
    }

    /// Writes over what is there, also over what was written before.
    pub fn put(&mut self, at: u64, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let end = at + bytes.len() as u64;
        let ends_behind = |(start, before): &(&u64, &Bytes)| *start + before.len() as u64 > at;
        let overlapping: Vec<u64> = self
            .new
            .range(..end)
            .filter(ends_behind)
            .map(|(start, _)| *start)
            .collect();
        let Some(first) = overlapping.first() else {
            if !bytes.is_empty() {
                self.new.insert(at, bytes);
            }
            return;
        };
        let joined_start = at.min(*first);
        let index = |at: u64| usize::try_from(at - joined_start).unwrap_or(usize::MAX);
        let mut joined = Vec::new();
        let parts = overlapping
            .iter()
            .filter_map(|start| Some((*start, self.new.remove(start)?)));
        for (start, part) in parts.collect::<Vec<_>>().into_iter().chain([(at, bytes)]) {
            let (start, stop) = (index(start), index(start) + part.len());
            joined.resize(joined.len().max(stop), 0);
            joined[start..stop].copy_from_slice(&part);
        }
        self.new.insert(joined_start, joined.into());
    }

    /// The output of a source of `size` bytes, up to the last byte that is not zero, but at least up to `end`.
    pub fn into_pieces(mut self, size: u64, end: u64) -> Pieces {
        // An output in place is not longer than its source.
        self.kept.retain(|range| range.start < size);
        self.kept.sort_by_key(|range| range.start);
        self.new.retain(|start, _| *start < size);
        let mut pieces = Pieces::default();
        let mut kept = self.kept.into_iter().peekable();
        let mut new = self.new.into_iter().peekable();
        loop {
            let at = pieces.length();
            while kept.next_if(|range| range.end.min(size) <= at).is_some() {}
            let kept_start = kept.peek().map(|range| range.start.max(at));
            let new_start = new.peek().map(|(start, _)| *start);
            match (kept_start, new_start) {
                (None, None) => break,
                // New bytes win over old ones.
                (kept_start, Some(start)) if kept_start.is_none_or(|kept| start <= kept) => {
                    pieces.zeros(start.saturating_sub(at));
                    if let Some((start, bytes)) = new.next() {
                        let fitting = usize::try_from(size.saturating_sub(start)).unwrap_or(usize::MAX);
                        pieces.put(bytes.slice(..bytes.len().min(fitting)));
                    }
                }
                (Some(start), new_start) => {
                    pieces.zeros(start - at);
                    let stop = new_start.unwrap_or(u64::MAX).min(size);
                    let end = kept.peek().map_or(start, |range| range.end.min(stop));
                    pieces.keep(start..end);
                }
                (None, Some(_)) => unreachable!("the second arm takes this"),
            }
        }
        pieces.zeros(end.saturating_sub(pieces.length()));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(kept: &[Range<u64>], new: &[(u64, &[u8])], end: u64) -> Vec<u8> {
        let mut overlay = Overlay::default();
        for range in kept {
            overlay.keep(range.clone());
        }
        for (at, bytes) in new {
            overlay.put(*at, bytes.to_vec());
        }
        let source: Vec<u8> = (1..=20).collect();
        overlay.into_pieces(20, end).of(&source)
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a range of bytes is meant")]
    fn new_bytes_win_and_gaps_are_zero() {
        assert_eq!(output(&[2..4, 0..1, 3..6], &[], 0), [1, 0, 3, 4, 5, 6]);
        assert_eq!(output(&[0..6], &[(2, &[90, 91])], 0), [1, 2, 90, 91, 5, 6]);
        assert_eq!(
            output(&[4..6], &[(1, &[90]), (8, &[91])], 10),
            [0, 90, 0, 0, 5, 6, 0, 0, 91, 0]
        );
        assert_eq!(output(&[18..30], &[], 0)[17..], [0, 19, 20]);
        assert_eq!(
            output(&[], &[(0, &[7, 8, 9]), (1, &[5]), (2, &[6, 4])], 0),
            [7, 5, 6, 4]
        );
    }
}
